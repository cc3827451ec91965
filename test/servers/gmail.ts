/**
 * A server that behaves as Gmail's IMAP does: one store of messages, labels shown as folders, X-GM-EXT-1, localised names,
 * 15 connections, a daily volume. Loopback, in the clear.
 *
 *     const gmail = await startGmail({ root: '[Google Mail]', names: GERMAN });
 *     gmail.add(message(1), { labels: ['\\Inbox', 'Work'], flags: ['\\Seen'] });
 *     gmail.relabel(1, ['Work']);                      // archived
 */
import { decodeName, encodeName, quoted } from './raw-imap.js';
import { type Command, type ScriptedImap, scriptedImap, uidsIn } from './scripted-imap.js';

export interface GmailNames {
  readonly all: string;
  readonly sent: string;
  readonly drafts: string;
  readonly important: string;
  readonly starred: string;
  readonly spam: string;
  readonly trash: string;
  readonly chats: string;
}
export const ENGLISH: GmailNames = {
  all: 'All Mail',
  sent: 'Sent Mail',
  drafts: 'Drafts',
  important: 'Important',
  starred: 'Starred',
  spam: 'Spam',
  trash: 'Trash',
  chats: 'Chats',
};
export const GERMAN: GmailNames = {
  all: 'Alle Nachrichten',
  sent: 'Gesendet',
  drafts: 'Entwürfe',
  important: 'Wichtig',
  starred: 'Markiert',
  spam: 'Spam',
  trash: 'Papierkorb',
  chats: 'Chats',
};

export interface GmailOptions {
  readonly root?: string;
  readonly names?: GmailNames;
  /** Labels that are not shown over IMAP, decoded; 'all' hides All Mail. */
  readonly hidden?: readonly string[];
  /** "Limit IMAP folders to contain no more than this many messages": the newest. */
  readonly folderLimit?: number;
  /** What may be read before the day's volume is used up. */
  readonly dailyBytes?: number;
  readonly maxConnections?: number;
  /** What a sign-in is refused with. */
  readonly refusal?: string;
}
export interface GmailMessage {
  readonly n: number;
  readonly msgId: bigint;
  bytes: Buffer;
  /** Decoded; Gmail's own with a backslash. */
  labels: string[];
  flags: string[];
  readonly date: string;
}

const CAPABILITIES =
  'IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS ENABLE MOVE CONDSTORE ESEARCH ' +
  'LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584 AUTH=PLAIN';

interface Folder {
  readonly path: string;
  readonly attributes: string;
  /** Null: it only holds others. */
  readonly holds: ((message: GmailMessage) => boolean) | null;
  readonly label?: string;
}

export class GmailServer {
  readonly messages: GmailMessage[] = [];
  /** Bytes of bodies that were given out. */
  bytesDown = 0;
  /** Most sessions that were signed in at once. */
  mostConnections = 0;
  private readonly sessions = new Map<number, Folder | null>();
  private readonly uids = new Map<string, number>();
  private server!: ScriptedImap;

  constructor(readonly options: GmailOptions) {}

  get port(): number {
    return this.server.port;
  }
  get lines(): readonly string[] {
    return this.server.lines;
  }

  async start(): Promise<this> {
    const on = (act: (command: Command) => Promise<void> | void) => act;
    this.server = await scriptedImap(
      {
        AUTHENTICATE: on((command) => this.signIn(command)),
        LIST: on((command) => this.list(command)),
        STATUS: on((command) => this.status(command)),
        EXAMINE: on((command) => this.open(command)),
        SELECT: on((command) => this.open(command)),
        UNSELECT: on(({ tag, session }) => {
          this.sessions.set(session.number, null);
          return session.send(`${tag} OK Returned to authenticated state. (Success)\r\n`);
        }),
        'UID FETCH': on((command) => this.fetch(command, (m) => this.uidOf(command, m))),
        FETCH: on((command) => this.fetch(command, (_m, place) => place)),
      },
      { capabilities: CAPABILITIES, greeting: '* OK Gimap ready for requests from 127.0.0.1\r\n' },
    );
    return this;
  }

  add(bytes: Buffer, more: { labels?: string[]; flags?: string[] } = {}): GmailMessage {
    const n = this.messages.length + 1;
    const message: GmailMessage = {
      n,
      msgId: 1_278_455_344_230_334_000n + BigInt(n) * 977n,
      bytes,
      labels: more.labels ?? [],
      flags: more.flags ?? [],
      date: `13-May-2014 16:53:${String(n % 60).padStart(2, '0')} +0000`,
    };
    this.messages.push(message);
    return message;
  }

  relabel(n: number, labels: string[]): void {
    this.messages.find((message) => message.n === n)!.labels = labels;
  }

  delete(n: number): void {
    this.messages.splice(
      this.messages.findIndex((message) => message.n === n),
      1,
    );
  }

  close(): Promise<void> {
    return this.server.close();
  }

  private async signIn({ tag, session }: Command): Promise<void> {
    await session.send('+ \r\n');
    await session.line();
    if (this.options.refusal !== undefined) return session.send(`${tag} NO ${this.options.refusal}\r\n`);
    if (this.sessions.size >= (this.options.maxConnections ?? 15))
      return session.send(`${tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n`);
    this.sessions.set(session.number, null);
    session.socket.on('close', () => this.sessions.delete(session.number));
    this.mostConnections = Math.max(this.mostConnections, this.sessions.size);
    await session.send(`* CAPABILITY ${CAPABILITIES}\r\n${tag} OK anna@gmail.test authenticated (Success)\r\n`);
  }

  private folders(): Folder[] {
    const { root = '[Gmail]', names = ENGLISH, hidden = [] } = this.options;
    const has = (label: string) => (m: GmailMessage) => isPlaced(m) && m.labels.includes(label);
    const special = (name: string, attribute: string, holds: Folder['holds'], label?: string): Folder => ({
      path: `${root}/${name}`,
      attributes: `\\HasNoChildren ${attribute}`.trim(),
      holds,
      label,
    });
    const own = [...new Set(this.messages.flatMap(({ labels }) => labels.filter((l) => !l.startsWith('\\'))))];
    const all: Folder[] = [
      { path: 'INBOX', attributes: '\\HasNoChildren', holds: has('\\Inbox'), label: '\\Inbox' },
      ...own.sort().map((label) => ({ path: label, attributes: '\\HasNoChildren', holds: has(label), label })),
      { path: root, attributes: '\\HasChildren \\Noselect', holds: null },
      special(names.all, '\\All', isPlaced),
      special(names.drafts, '\\Drafts', has('\\Draft'), '\\Draft'),
      special(names.important, '\\Important', has('\\Important'), '\\Important'),
      special(names.sent, '\\Sent', has('\\Sent'), '\\Sent'),
      special(names.spam, '\\Junk', (m) => m.labels.includes('\\Spam'), '\\Spam'),
      special(names.starred, '\\Flagged', (m) => isPlaced(m) && m.flags.includes('\\Flagged'), '\\Starred'),
      special(names.trash, '\\Trash', (m) => m.labels.includes('\\Trash'), '\\Trash'),
      special(names.chats, '', () => false),
    ];
    return all.filter(
      ({ path, attributes }) => !hidden.includes(path) && !(hidden.includes('all') && attributes.endsWith('\\All')),
    );
  }

  private list({ tag, rest, session }: Command): Promise<void> {
    const ask = rest.startsWith('"" ""');
    const lines = ask
      ? ['* LIST (\\Noselect) "/" "/"']
      : this.folders().map(({ path, attributes }) => `* LIST (${attributes}) "/" ${quoted(encodeName(path))}`);
    return session.send(`${lines.join('\r\n')}\r\n${tag} OK Success\r\n`);
  }

  private named(rest: string): Folder | undefined {
    const raw = /^"((?:[^"\\]|\\.)*)"/.exec(rest)?.[1]?.replace(/\\(.)/g, '$1') ?? rest.split(' ')[0]!;
    return this.folders().find(({ path, holds }) => holds !== null && encodeName(path) === raw);
  }

  private inside({ holds }: Folder): GmailMessage[] {
    const held = this.messages.filter((message) => holds!(message));
    return this.options.folderLimit === undefined ? held : held.slice(-this.options.folderLimit);
  }

  private async status({ tag, rest, session }: Command): Promise<void> {
    const folder = this.named(rest);
    if (folder === undefined) return session.send(`${tag} NO [NONEXISTENT] Unknown Mailbox: ${rest} (Failure)\r\n`);
    const { length } = this.inside(folder);
    const numbers = `MESSAGES ${length} UIDNEXT 99999 UIDVALIDITY ${validity(folder)} HIGHESTMODSEQ 1234`;
    await session.send(`* STATUS ${quoted(encodeName(folder.path))} (${numbers})\r\n${tag} OK Success\r\n`);
  }

  private async open({ tag, rest, session, name }: Command): Promise<void> {
    const folder = this.named(rest);
    if (folder === undefined) return session.send(`${tag} NO [NONEXISTENT] Unknown Mailbox: ${rest} (Failure)\r\n`);
    this.sessions.set(session.number, folder);
    const told = [
      '* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen $NotPhishing $Phishing)',
      `* OK [PERMANENTFLAGS ()] Flags permitted.`,
      `* OK [UIDVALIDITY ${validity(folder)}] UIDs valid.`,
      `* ${this.inside(folder).length} EXISTS`,
      '* 0 RECENT',
      '* OK [UIDNEXT 99999] Predicted next UID.',
      '* OK [HIGHESTMODSEQ 1234]',
    ];
    const mode = name === 'EXAMINE' ? 'READ-ONLY' : 'READ-WRITE';
    await session.send(`${told.join('\r\n')}\r\n${tag} OK [${mode}] selected. (Success)\r\n`);
  }

  private uidOf({ session }: Command, message: GmailMessage): number {
    const path = this.sessions.get(session.number)!.path;
    const name = `${path} ${message.n}`;
    // Other UIDs in every folder, rising with the message.
    if (!this.uids.has(name)) this.uids.set(name, message.n * 3 + path.length);
    return this.uids.get(name)!;
  }

  private async fetch(command: Command, numberOf: (m: GmailMessage, place: number) => number): Promise<void> {
    const { tag, rest, session } = command;
    const folder = this.sessions.get(session.number);
    if (!folder) return session.send(`${tag} BAD not now\r\n`);
    const inside = this.inside(folder);
    const wanted = new Set(uidsIn(rest.replace(/\*/g, '99999')));
    for (const [i, message] of inside.entries()) {
      if (!wanted.has(numberOf(message, i + 1))) continue;
      const uid = this.uidOf(command, message);
      const told = [`UID ${uid}`];
      if (rest.includes('X-GM-MSGID')) told.push(`X-GM-THRID ${message.msgId}`, `X-GM-MSGID ${message.msgId}`);
      if (rest.includes('X-GM-LABELS')) told.push(`X-GM-LABELS (${labelsTold(message, folder)})`);
      if (rest.includes('FLAGS')) told.push(`FLAGS (${message.flags.join(' ')})`);
      if (rest.includes('INTERNALDATE')) told.push(`INTERNALDATE "${message.date}"`);
      if (rest.includes('RFC822.SIZE')) told.push(`RFC822.SIZE ${message.bytes.length}`);
      const section = /BODY\.PEEK\[([^\]]*)\]/.exec(rest)?.[1];
      if (section === undefined) {
        await session.send(`* ${i + 1} FETCH (${told.join(' ')})\r\n`);
        continue;
      }
      const { dailyBytes = Infinity } = this.options;
      if (this.bytesDown + message.bytes.length > dailyBytes) {
        await session.send(`${tag} NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)\r\n`);
        return;
      }
      this.bytesDown += message.bytes.length;
      const body = section === '' ? message.bytes : header(message.bytes);
      await session.send(`* ${i + 1} FETCH (${told.join(' ')} BODY[${section}] {${body.length}}\r\n`);
      await session.send(body);
      await session.send(')\r\n');
    }
    await session.send(`${tag} OK Success\r\n`);
  }
}

function isPlaced({ labels }: GmailMessage): boolean {
  return !labels.includes('\\Spam') && !labels.includes('\\Trash');
}

function labelsTold({ labels, flags }: GmailMessage, folder: Folder): string {
  const all = flags.includes('\\Flagged') ? [...labels, '\\Starred'] : labels;
  return all
    .filter((label) => label !== folder.label)
    .map((label) => (label.startsWith('\\') ? quoted(label) : quoted(encodeName(label))))
    .join(' ');
}

function header(bytes: Buffer): Buffer {
  const end = bytes.indexOf('\r\n\r\n');
  return end < 0 ? bytes : bytes.subarray(0, end + 4);
}

function validity({ path }: Folder): number {
  return 600 + decodeName(encodeName(path)).length;
}

export function startGmail(options: GmailOptions = {}): Promise<GmailServer> {
  return new GmailServer(options).start();
}
