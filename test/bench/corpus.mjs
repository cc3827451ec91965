// A mailbox that is the same for the same count: bytes, dates, flags, folders.
//
// Sizes as in real mailboxes: most messages 2 to 20 KB, a quarter up to 200 KB, a few up to 5 MB (some 75 KB on average). Folders
// nested and with names beyond ASCII. Among the messages exact twins, reused Message-IDs, and some without a Message-ID.
import { chownSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folder (UTF-8, levels by '/') and its share of the messages. */
const FOLDERS = [
  ['INBOX', 31],
  ['Archive', 0],
  ['Archive/2021', 13],
  ['Archive/2022', 13],
  ['Archive/2022/Q4', 3],
  ['Sent', 13],
  ['Clients', 0],
  ['Clients/Nordwind GmbH', 7],
  ['Clients/Nordwind GmbH/Offers', 4],
  ['Gelöschtes & Altes', 3],
  ['家族/写真', 3],
  ['Списки рассылки', 4],
  ['Lists', 1],
  ['Lists/announce', 4],
  ['Nothing in here', 0],
  ['Trash', 1],
];
const SUBSCRIBED_ALL_BUT = 'Lists/announce';
const FIRST_DATE = Date.UTC(2012, 4, 1) / 1000;
const YEARS_SECONDS = 12 * 365 * 86_400;
const WORDS =
  'order delivery invoice meeting Tuesday offer reply server backup report Grüße naïve 会議 письмо café agenda travel photo contract reminder minutes ticket draft team launch'.split(
    ' ',
  );
/** Characters of text and of base64 lines that all messages cut their bodies from. */
const POOL = 6 * 1024 * 1024;

/** Mulberry32: small, fast, and the same everywhere. */
function random(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Writes the mailbox as a maildir.
 * @param options { count, owner: {uid, gid}, large: bytes of one more message, oneFolder: everything in INBOX }
 * @returns {{ messages: number, bytes: number }} bytes as IMAP sends them.
 */
export function writeCorpus(maildir, { count, owner, large = 0, oneFolder = false }) {
  const next = random(count * 31 + 7);
  const below = (n) => Math.floor(next() * n);
  const pick = (list) => list[below(list.length)];
  const text = lines(POOL, () => {
    const words = [];
    for (let n = 0; n < 9; n++) words.push(pick(WORDS));
    return words.join(' ');
  });
  const noise = lines(POOL, () => {
    const bytes = Buffer.alloc(57);
    for (let n = 0; n < 57; n++) bytes[n] = below(256);
    return bytes.toString('base64');
  });
  const cut = (pool, size) => {
    const parts = [];
    for (let left = size, at = pool.indexOf(0x0a, below(POOL >> 1)) + 1; left > 0; at = 0) {
      const part = pool.subarray(at, Math.min(pool.length, at + left));
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat([...parts, Buffer.from('\n')]);
  };
  const logUniform = (low, high) => Math.round(low * (high / low) ** next());
  const size = () => {
    const kind = next();
    return kind < 0.72 ? logUniform(2e3, 2e4) : kind < 0.97 ? logUniform(2e4, 2e5) : logUniform(2e5, 5e6);
  };

  const plan = oneFolder ? [['INBOX', 1]] : FOLDERS;
  const shares = plan.reduce((sum, [, share]) => sum + share, 0);
  let bytes = 0;
  let made = 0;
  const subscribed = [];
  mkdirSync(maildir, { recursive: true });
  for (const [name, share] of plan) {
    const wire = name.split('/').map(modifiedUtf7);
    const dir = name === 'INBOX' ? maildir : join(maildir, `.${wire.join('.')}`);
    for (const sub of ['cur', 'new', 'tmp']) mkdirSync(join(dir, sub), { recursive: true });
    writeFileSync(join(dir, 'dovecot-keywords'), '0 $Forwarded\n1 Project-A\n');
    if (name !== 'INBOX' && name !== SUBSCRIBED_ALL_BUT) subscribed.push(wire.join('/'));
    const items = name === 'INBOX' ? count - rest(plan, shares, count) : Math.round((count * share) / shares);
    let twin = null;
    for (let n = 0; n < items; n++) {
      const id = ++made;
      const seconds = FIRST_DATE + below(YEARS_SECONDS);
      const kind = next();
      const body = kind < 0.01 && twin !== null ? twin : message(id, seconds, kind, size());
      twin = body;
      bytes += write(dir, id, body, seconds, flags(next));
    }
    if (name === 'INBOX' && large > 0)
      bytes += write(dir, ++made, message(made, FIRST_DATE, 0.5, large), FIRST_DATE, 'S');
  }
  writeFileSync(join(maildir, 'subscriptions'), subscribed.map((wire) => `${wire}\n`).join(''));
  if (process.getuid() === 0) own(maildir, owner);
  return { messages: made, bytes };

  /** @param kind below 0.03: an earlier message's id; below 0.05: no Message-ID; below 0.06: no Date either. */
  function message(id, seconds, kind, total) {
    const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000');
    const messageId = kind < 0.03 && id > 1 ? 1 + below(id - 1) : id;
    const head = [
      `Received: from mx${id % 9}.example.net by in.example.org with ESMTPS id ${(id * 2654435761).toString(16)}; ${date}`,
      `From: "${pick(WORDS)} ${pick(WORDS)}" <p${id % 211}@example.net>`,
      `To: me@example.org`,
      `Subject: ${pick(WORDS)} ${pick(WORDS)} ${id}`,
      ...(kind >= 0.05 && kind < 0.06 ? [] : [`Date: ${date}`]),
      ...(kind >= 0.03 && kind < 0.06 ? [] : [`Message-ID: <${messageId}.corpus@example.net>`]),
      'MIME-Version: 1.0',
    ];
    if (total < 9_000)
      return Buffer.concat([
        Buffer.from(`${head.join('\n')}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n`),
        cut(text, Math.max(40, total - 500)),
      ]);
    const edge = `=_${id}_part`;
    const type = `multipart/mixed; boundary="${edge}"`;
    return Buffer.concat([
      Buffer.from(
        `${head.join('\n')}\nContent-Type: ${type}\n\n--${edge}\nContent-Type: text/plain; charset=utf-8\n\n`,
      ),
      cut(text, 1_500),
      Buffer.from(
        `--${edge}\nContent-Type: application/octet-stream; name=file-${id}\nContent-Transfer-Encoding: base64\n\n`,
      ),
      cut(noise, total - 2_300),
      Buffer.from(`--${edge}--\n`),
    ]);
  }
}

function rest(plan, shares, count) {
  return plan.reduce((sum, [name, share]) => sum + (name === 'INBOX' ? 0 : Math.round((count * share) / shares)), 0);
}

/** Maildir letters in ASCII order; a and b are the two keywords. */
function flags(next) {
  const chance = [
    ['D', 0.02],
    ['F', 0.08],
    ['R', 0.2],
    ['S', 0.8],
    ['a', 0.05],
    ['b', 0.05],
  ];
  return chance.flatMap(([letter, often]) => (next() < often ? [letter] : [])).join('');
}

/** @returns the length with CRLF. */
function write(dir, id, body, seconds, letters) {
  let lineEnds = 0;
  for (let at = body.indexOf(10); at >= 0; at = body.indexOf(10, at + 1)) lineEnds++;
  const wire = body.length + lineEnds;
  const file = join(dir, 'cur', `${1_500_000_000 + id}.M${id}P1.corpus,S=${body.length},W=${wire}:2,${letters}`);
  writeFileSync(file, body);
  utimesSync(file, seconds, seconds);
  return wire;
}

function own(dir, { uid, gid }) {
  chownSync(dir, uid, gid);
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) own(path, { uid, gid });
    else chownSync(path, uid, gid);
  }
}

function lines(size, line) {
  const parts = [];
  for (let length = 0; length < size; length += parts.at(-1).length) parts.push(Buffer.from(`${line()}\n`));
  return Buffer.concat(parts);
}

/** RFC 3501 section 5.1.3. */
function modifiedUtf7(name) {
  return name.replace(/&/g, '&-').replace(/[^\x20-\x7e]+/g, (run) => {
    const units = Buffer.from(run, 'utf16le').swap16().toString('base64');
    return `&${units.replaceAll('/', ',').replaceAll('=', '')}-`;
  });
}
