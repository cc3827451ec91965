/** A mailbox as another client than the product's sees it: filled, read whole, compared. */
import { createHash } from 'node:crypto';
import type { TestAccount } from './dovecot.js';
import { decodeName, encodeName, quoted, RawImap, type Response } from './raw-imap.js';

export interface MailServer {
  readonly name: string;
  /** Of every folder but INBOX, with the separator. */
  readonly prefix: string;
  readonly separator: string;
  account(): Promise<TestAccount>;
}

/** Name on the wire, not encoded. */
export function wireName(server: Pick<MailServer, 'prefix' | 'separator'>, path: readonly string[]): string {
  const inbox = path[0] === 'INBOX' && (path.length === 1 || server.prefix.startsWith('INBOX'));
  if (inbox) return path.join(server.separator);
  return `${server.prefix}${path.join(server.separator)}`;
}

export interface SeenMessage {
  readonly sha256: string;
  readonly size: number;
  /** Sorted, \Recent left out. */
  readonly flags: readonly string[];
  /** Seconds since 1970. */
  readonly date: number;
  readonly uid: number;
  readonly bytes: Buffer;
}
export interface SeenFolder {
  /** Levels with '/' between them, prefix taken away, decoded. */
  readonly path: string;
  readonly subscribed: boolean;
  readonly attributes: readonly string[];
  readonly uidValidity: string;
  readonly messages: readonly SeenMessage[];
}

export async function withRaw<T>(account: TestAccount, work: (imap: RawImap) => Promise<T>): Promise<T> {
  const imap = await RawImap.open(account.imapPort, account.user, account.password);
  try {
    return await work(imap);
  } finally {
    await imap.close();
  }
}

/** All folders that can be opened, by path, with their messages by UID; changes nothing. */
export async function seeMailbox(server: MailServer, account: TestAccount): Promise<Map<string, SeenFolder>> {
  return withRaw(account, async (imap) => {
    const subscribed = new Set(listed(await imap.command('LSUB "" "*"')).map(({ wire }) => wire));
    const special = await canSpecialUse(imap);
    const folders = new Map<string, SeenFolder>();
    for (const { wire, attributes } of listed(await imap.command(`LIST "" "*"${special}`))) {
      if (attributes.some((one) => /^\\(Noselect|NonExistent)$/i.test(one))) continue;
      const opened = await imap.command(`EXAMINE ${quoted(wire)}`);
      const said = opened.map(textOf).join('\n');
      const messages = / [1-9]\d* EXISTS|^\* [1-9]\d* EXISTS/m.test(said)
        ? (await imap.command('UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])')).flatMap(seen)
        : [];
      const path = pathOf(server, wire);
      folders.set(path, {
        path,
        subscribed: subscribed.has(wire),
        attributes,
        uidValidity: /UIDVALIDITY (\d+)/.exec(said)?.[1] ?? '',
        messages: messages.sort((a, b) => a.uid - b.uid),
      });
    }
    return folders;
  });
}

/** All of it but the bytes, whose hashes are there: for comparing. Whether somebody has looked since is left out. */
export function outline(folders: ReadonlyMap<string, SeenFolder>): unknown[] {
  const sorted = [...folders.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return sorted.map(({ attributes, messages, ...rest }) => ({
    ...rest,
    attributes: attributes.filter((one) => !/^\\(Un)?Marked$/i.test(one)),
    messages: messages.map(({ bytes: _bytes, ...message }) => message),
  }));
}

export interface NewMessage {
  readonly path: readonly string[];
  readonly bytes: Buffer;
  readonly flags: readonly string[];
  /** RFC 3501 date-time. */
  readonly date: string;
}

/** Stores messages over one connection, making folders that are missing. */
export function fill(server: MailServer, account: TestAccount, messages: Iterable<NewMessage>): Promise<void> {
  return withRaw(account, async (imap) => {
    const made = new Set(['INBOX']);
    for (const { path, bytes, flags, date } of messages) {
      const name = quoted(encodeName(wireName(server, path)));
      if (!made.has(path.join('/'))) await imap.command(`CREATE ${name}`).catch(() => undefined);
      made.add(path.join('/'));
      await imap.command(`APPEND ${name} (${flags.join(' ')}) ${quoted(date)} `, bytes);
    }
  });
}

async function canSpecialUse(imap: RawImap): Promise<string> {
  const said = (await imap.command('CAPABILITY')).map(textOf).join(' ');
  return said.includes('SPECIAL-USE') ? ' RETURN (SPECIAL-USE)' : '';
}

function pathOf({ prefix, separator }: MailServer, wire: string): string {
  const rest = wire !== 'INBOX' && wire.startsWith(prefix) ? wire.slice(prefix.length) : wire;
  return rest.split(separator).map(decodeName).join('/');
}

function textOf(response: Response): string {
  return response.filter((part) => typeof part === 'string').join(' ');
}

export function listed(responses: readonly Response[]): { wire: string; attributes: string[] }[] {
  return responses.flatMap((response) => {
    const text = response
      .map((part) => (typeof part === 'string' ? part.replace(/\{\d+\}$/, '') : quoted(part.toString('latin1'))))
      .join('');
    const match = /^\* L(?:IST|SUB) \(([^)]*)\) (?:"[^"]*"|NIL) (.*)$/.exec(text);
    if (match === null) return [];
    const raw = match[2] ?? '';
    const wire = raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, '$1') : raw;
    return [{ wire, attributes: (match[1] ?? '').split(' ').filter(Boolean) }];
  });
}

export function seen(response: Response): SeenMessage[] {
  const text = textOf(response);
  if (!/^\* \d+ FETCH /.test(text)) return [];
  const bytes = response.find((part): part is Buffer => typeof part !== 'string') ?? Buffer.alloc(0);
  const date = /INTERNALDATE "([^"]+)"/.exec(text)?.[1] ?? '';
  const flags = (/FLAGS \(([^)]*)\)/.exec(text)?.[1] ?? '').split(' ');
  return [
    {
      sha256: createHash('sha256').update(bytes).digest('hex'),
      size: bytes.length,
      flags: flags.filter((flag) => flag !== '' && flag !== '\\Recent').sort(),
      date: Date.parse(date.trim().replace(/^(\d+)-(\w+)-(\d+)/, '$1 $2 $3')) / 1000,
      uid: Number(/UID (\d+)/.exec(text)?.[1]),
      bytes,
    },
  ];
}
