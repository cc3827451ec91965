/** One message of the sample mailbox, and where it lies. */
export interface SampleMessage {
  /** Folder, one entry a level; ['INBOX'] for the inbox. */
  readonly path: readonly string[];
  readonly message: Buffer;
  readonly flags: readonly string[];
  readonly date: Date;
}

/** Special-use folders of the sample's provider, as Dovecot's configuration wants them: they have German names. */
export const SAMPLE_SPECIAL_USE: Readonly<Record<string, string>> = {
  Entwürfe: '\\Drafts',
  'Gesendete Objekte': '\\Sent',
  Papierkorb: '\\Trash',
  'Junk-E-Mail': '\\Junk',
};

/** Folders without a message in them. */
export const SAMPLE_EMPTY_FOLDERS: readonly (readonly string[])[] = [['Vorlagen'], ['Projekte', 'Geplant']];

interface FolderPlan {
  readonly path: readonly string[];
  readonly messages: number;
  readonly from: number;
  readonly to: number;
  readonly flags: readonly string[];
}

const FOLDERS: readonly FolderPlan[] = [
  { path: ['INBOX'], messages: 120, from: 2019, to: 2025, flags: [] },
  { path: ['Gesendete Objekte'], messages: 60, from: 2018, to: 2025, flags: ['\\Seen'] },
  { path: ['Entwürfe'], messages: 3, from: 2024, to: 2025, flags: ['\\Draft', '\\Seen'] },
  { path: ['Papierkorb'], messages: 12, from: 2024, to: 2025, flags: ['\\Seen'] },
  { path: ['Junk-E-Mail'], messages: 15, from: 2025, to: 2025, flags: ['$Junk'] },
  { path: ['Archiv', '2009'], messages: 25, from: 2009, to: 2009, flags: ['\\Seen'] },
  { path: ['Archiv', '2012', 'Rechnungen & Quittungen'], messages: 30, from: 2012, to: 2012, flags: ['\\Seen'] },
  { path: ['Projekte', 'Ålesund'], messages: 40, from: 2020, to: 2023, flags: ['\\Seen'] },
  { path: ['Projekte', 'Müller + Söhne', 'Verträge'], messages: 20, from: 2016, to: 2022, flags: ['\\Seen'] },
  { path: ['家族'], messages: 18, from: 2015, to: 2024, flags: [] },
  { path: ['Newsletter "Weekly"'], messages: 22, from: 2021, to: 2025, flags: [] },
];

const PEOPLE = [
  'Jörg Müller <joerg.mueller@example.com>',
  'Anna Lindqvist <anna@example.org>',
  '"O\'Brien, Pat" <pat@example.net>',
  '山田 太郎 <taro@example.jp>',
  'noreply@shop.example',
  'Zoë Çelik <zoe@example.com>',
];
const SUBJECTS = [
  'Lunch on Thursday?',
  'Ihre Rechnung vom März',
  'Re: Angebot für die Küche',
  'Fotos vom Wochenende 📷',
  '会議の議事録',
  'Fwd: contract, last version (really)',
  'Déjà vu: résumé attaché',
  'Order 4711 has shipped',
  'Holiday plans for next summer and everything that we still have to book before the end of the month, please read',
];
const SENTENCES = [
  'The train leaves at ten past nine.',
  'Bitte bis Freitag zurückschicken, danke!',
  'From here on everything is different.',
  'Größere Dateien kommen getrennt.',
  '明日の午後三時に会いましょう。',
  'Let us keep it simple: one list, one owner, one date.',
  'Prices are in €, taxes included.',
];
/** As a message, above what the engine keeps in memory (4 MiB), so that the sample also goes by way of a temp file. */
const LARGE_BYTES = 3_200_000;
const DAY_MS = 86_400_000;

/**
 * The sandbox's sample mailbox: the same bytes every time. It holds what real mailboxes hold, so that a copy shows what it can: nested,
 * non-ASCII and special-use folders, flags and keywords, many years, attachments, 8-bit bodies, messages twice, without
 * Message-ID or Date, and one that is large.
 */
export function* sampleMailbox(owner = 'alice@old.test'): Generator<SampleMessage> {
  const random = mulberry32(20240229);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  let count = 0;
  for (const folder of FOLDERS) {
    const first = Date.UTC(folder.from, 0, 1);
    const span = Date.UTC(folder.to, 11, 28) - first;
    for (let i = 0; i < folder.messages; i++) {
      count++;
      // Whole seconds: IMAP knows no smaller ones.
      const date = new Date(first + Math.floor(((i + random()) / folder.messages) * (span / 1000)) * 1000);
      const message = compose(count, date, { random, pick, owner, sent: folder.flags.includes('\\Draft') });
      const sample: SampleMessage = { path: folder.path, message, flags: flagsOf(folder, i, random), date };
      yield sample;
      // People file a message twice now and then, and both have to arrive.
      if (i === 7 && folder.messages > 20) yield { ...sample, date: new Date(date.getTime() + DAY_MS) };
    }
  }
}

interface Dice {
  readonly random: () => number;
  readonly pick: <T>(list: readonly T[]) => T;
  readonly owner: string;
  readonly sent: boolean;
}

function compose(n: number, date: Date, { random, pick, owner, sent }: Dice): Buffer {
  const from = sent ? `Alice <${owner}>` : pick(PEOPLE);
  const to = sent ? pick(PEOPLE) : `Alice <${owner}>`;
  const head = [
    ...(n % 17 === 0 ? [] : [`Message-ID: <sample-${n}@mail.example>`]),
    ...(n % 23 === 0 ? [] : [`Date: ${date.toUTCString().replace('GMT', '+0000')}`]),
    `From: ${address(from)}`,
    `To: ${address(to)}`,
    `Subject: ${folded(pick(SUBJECTS))}`,
    ...(n % 5 === 0 ? [`X-Mailer: Sample\r\n\t(folded the old way)`] : []),
    'MIME-Version: 1.0',
  ];
  const text = Array.from({ length: 2 + Math.floor(random() * 12) }, () => pick(SENTENCES)).join('\r\n');
  if (n === 60) return withAttachment(head, text, 'Übersicht groß.bin', bytes(random, LARGE_BYTES));
  if (n % 6 === 0)
    return withAttachment(head, text, 'Rechnung.pdf', bytes(random, 2_000 + Math.floor(random() * 60_000)));
  if (n % 6 === 1) return withHtml(head, text);
  if (n % 13 === 0) return eightBit(head, n);
  if (n % 29 === 0) return Buffer.from(`${head.join('\r\n')}\r\n\r\n`);
  return Buffer.from(
    [...head, 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit', '', text, ''].join('\r\n'),
  );
}

function withAttachment(head: readonly string[], text: string, name: string, content: Buffer): Buffer {
  const mark = '----=_sample_mixed';
  const lines = content.toString('base64').match(/.{1,76}/g) ?? [];
  return Buffer.from(
    [
      ...head,
      `Content-Type: multipart/mixed; boundary="${mark}"`,
      '',
      `--${mark}`,
      'Content-Type: text/plain; charset=utf-8',
      '',
      text,
      `--${mark}`,
      `Content-Type: application/octet-stream; name="${word(name)}"`,
      `Content-Disposition: attachment; filename*=utf-8''${encodeURIComponent(name)}`,
      'Content-Transfer-Encoding: base64',
      '',
      ...lines,
      `--${mark}--`,
      '',
    ].join('\r\n'),
  );
}

function withHtml(head: readonly string[], text: string): Buffer {
  const mark = '----=_sample_alternative';
  return Buffer.from(
    [
      ...head,
      `Content-Type: multipart/alternative; boundary="${mark}"`,
      '',
      `--${mark}`,
      'Content-Type: text/plain; charset=utf-8',
      '',
      text,
      `--${mark}`,
      'Content-Type: text/html; charset=utf-8',
      '',
      `<p>${text.replaceAll('\r\n', '<br>')}</p>`,
      `--${mark}--`,
      '',
    ].join('\r\n'),
  );
}

/** Latin-1 without saying so, as programs of the nineties wrote it: bytes that are no UTF-8. */
function eightBit(head: readonly string[], n: number): Buffer {
  return Buffer.concat([
    Buffer.from(`${head.join('\r\n')}\r\n\r\n`),
    Buffer.from(`Gr\xfc\xdfe aus K\xf6ln, Nachricht ${n}.\r\nFrom the start\r\n.\r\n`, 'latin1'),
  ]);
}

function flagsOf(folder: FolderPlan, i: number, random: () => number): string[] {
  const flags = new Set(folder.flags);
  if (folder.path[0] === 'INBOX' && i < 100) flags.add('\\Seen');
  if (random() < 0.12) flags.add('\\Flagged');
  if (random() < 0.2) flags.add('\\Answered');
  if (random() < 0.1) flags.add('$Forwarded');
  if (random() < 0.06) flags.add('$Label1');
  if (random() < 0.03) flags.add('Wichtig');
  return [...flags].sort();
}

function address(person: string): string {
  const at = person.lastIndexOf(' <');
  return at < 0 ? person : `${word(person.slice(0, at))}${person.slice(at)}`;
}

/** An encoded word where it is needed (RFC 2047). */
function word(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`;
}

function folded(subject: string): string {
  return subject.length > 70 ? `${subject.slice(0, 60).trimEnd()}\r\n ${subject.slice(60).trimStart()}` : word(subject);
}

function bytes(random: () => number, length: number): Buffer {
  const made = Buffer.alloc(length);
  for (let i = 0; i < length; i++) made[i] = Math.floor(random() * 256);
  return made;
}

/** A small generator with a seed: the sample is the same on every machine. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
