/**
 * Real mailboxes for specs, on the two Dovecots of the run. Specs run at the same time: an account belongs to one test.
 *
 *     const from = oldProvider.account();                       // 'u-3f2a@old.test', its own password; INBOX and special-use folders
 *     const to = hoster.account({ quota: '64K' });              // also quotaMessages, maxMessage, disabled
 *     await appendMessage(from, 'Work/2024', raw, { flags: ['\\Seen', '$Label1'], date: new Date('2020-02-29T12:00:00Z') });
 *     expect(await readMailbox(to)).toEqual(await readMailbox(from));
 *
 * `oldProvider.imapsPort`, `.imapPort`, `.ca` (PEM; certificate for localhost and 127.0.0.1) say how the product gets in;
 * `.master` opens any mailbox by SASL PLAIN authzid or `user*name`. The old provider keeps mdbox, the hoster maildir with escaped
 * names; both have '/' and no prefix. Others: privateDovecot() in private.ts, then accountOn(server).
 */
import { randomBytes } from 'node:crypto';
import { createHash } from 'node:crypto';
import { dovecotAccounts } from '../../src/standalone/infra/dovecot-accounts.js';
import type { DovecotUser } from '../../src/standalone/infra/dovecot-config.js';
import { testEnv, type DovecotEnv } from './env.js';
import { decodeName, encodeName, quoted, RawImap, type Response } from './raw-imap.js';

export interface TestAccount {
  readonly user: string;
  readonly password: string;
  readonly host: '127.0.0.1';
  readonly imapPort: number;
  readonly imapsPort: number;
  readonly ca: string;
}
export interface TestProvider extends DovecotEnv {
  account(options?: Omit<Partial<DovecotUser>, 'user'> & { name?: string }): TestAccount;
  removeAccount(account: TestAccount): void;
}

const provider = (which: 'old' | 'hoster', domain: string): TestProvider => ({
  get name() {
    return testEnv()[which].name;
  },
  get dir() {
    return testEnv()[which].dir;
  },
  get imapPort() {
    return testEnv()[which].imapPort;
  },
  get imapsPort() {
    return testEnv()[which].imapsPort;
  },
  get ca() {
    return testEnv()[which].ca;
  },
  get master() {
    return testEnv()[which].master;
  },
  account: (options) => accountOn(testEnv()[which], options, domain),
  removeAccount: (account) => dovecotAccounts(testEnv()[which].dir).remove(account.user),
});

/** The customer's old provider. Domain old.test. */
export const oldProvider = provider('old', 'old.test');
/** The hoster's own server. Domain new.test. */
export const hoster = provider('hoster', 'new.test');

/** A new account on any private Dovecot. @param options.name the part before the @; default: one nobody else has. */
export function accountOn(
  server: { readonly dir: string; readonly imapPort: number; readonly imapsPort: number; readonly ca: string },
  options: Omit<Partial<DovecotUser>, 'user'> & { name?: string } = {},
  domain = 'private.test',
): TestAccount {
  const {
    name = `u-${randomBytes(5).toString('hex')}`,
    password = randomBytes(9).toString('base64'),
    ...rest
  } = options;
  const user = `${name}@${domain}`;
  dovecotAccounts(server.dir).add({ ...rest, user, password });
  const { imapPort, imapsPort, ca } = server;
  return { user, password, host: '127.0.0.1', imapPort, imapsPort, ca };
}

/** Makes the folder when it is missing. `path` as the server writes it, decoded: 'Work/Übersicht'. */
export async function appendMessage(
  account: TestAccount,
  path: string,
  message: Buffer | string,
  options: { flags?: readonly string[]; date?: Date } = {},
): Promise<void> {
  await appendMessages(account, [{ path, message, ...options }]);
}

/** The same for many, over one connection, in this order. */
export async function appendMessages(
  account: TestAccount,
  messages: Iterable<{
    readonly path: string;
    readonly message: Buffer | string;
    readonly flags?: readonly string[];
    readonly date?: Date;
  }>,
): Promise<void> {
  await withRaw(account, async (imap) => {
    for (const { path, message, flags = [], date } of messages) {
      const name = quoted(encodeName(path));
      const when = date ? ` ${quoted(imapDate(date))}` : '';
      const append = (): Promise<Response[]> =>
        imap.command(`APPEND ${name} (${flags.join(' ')})${when} `, Buffer.from(message as string));
      try {
        await append();
      } catch (error) {
        if (!/TRYCREATE/.test((error as Error).message)) throw error;
        await imap.command(`CREATE ${name}`);
        await append();
      }
    }
  });
}

export interface ReadMessage {
  readonly sha256: string;
  readonly size: number;
  /** Sorted, \Recent left out. */
  readonly flags: readonly string[];
  /** ISO 8601 in UTC. */
  readonly internalDate: string;
}
export interface ReadFolder {
  /** Decoded, with the server's separator. */
  readonly path: string;
  readonly subscribed: boolean;
  /** e.g. '\\Sent'. */
  readonly specialUse: string | null;
  /** Sorted by what they are, so that the order of arrival does not matter; equal messages stay twice. */
  readonly messages: readonly ReadMessage[];
}

/** All of the mailbox, by another client than the product's; changes nothing. Folders sorted by path. */
export function readMailbox(account: TestAccount): Promise<ReadFolder[]> {
  return withRaw(account, async (imap) => {
    const subscribed = new Set(listed(await imap.command('LSUB "" "*"'), 'LSUB').map((entry) => entry.wire));
    const folders: ReadFolder[] = [];
    for (const { wire, attributes } of listed(await imap.command('LIST "" "*" RETURN (SPECIAL-USE)'), 'LIST')) {
      if (attributes.some((attribute) => /^\\(Noselect|NonExistent)$/i.test(attribute))) continue;
      const examined = await imap.command(`EXAMINE ${quoted(wire)}`);
      const exists = examined.map((response) => /^\* (\d+) EXISTS/.exec(String(response[0]))?.[1]).find(Boolean);
      const messages =
        Number(exists) > 0
          ? (await imap.command('UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])')).flatMap(fetched).sort(compare)
          : [];
      folders.push({
        path: decodeName(wire),
        subscribed: subscribed.has(wire),
        specialUse: attributes.find((one) => /^\\(All|Archive|Drafts|Flagged|Junk|Sent|Trash)$/i.test(one)) ?? null,
        messages,
      });
    }
    return folders.sort((a, b) => (a.path < b.path ? -1 : 1));
  });
}

/** Any other command of the account's owner, e.g. `CREATE`, `SUBSCRIBE`, `UID STORE`; the untagged answers. */
export function runCommands(account: TestAccount, ...commands: readonly string[]): Promise<Response[][]> {
  return withRaw(account, async (imap) => {
    const answers: Response[][] = [];
    for (const command of commands) answers.push(await imap.command(command));
    return answers;
  });
}

async function withRaw<T>(account: TestAccount, work: (imap: RawImap) => Promise<T>): Promise<T> {
  const imap = await RawImap.open(account.imapPort, account.user, account.password);
  try {
    return await work(imap);
  } finally {
    await imap.close();
  }
}

function listed(responses: readonly Response[], word: string): { wire: string; attributes: string[] }[] {
  return responses.flatMap((response) => {
    const text = response
      .map((part) => (typeof part === 'string' ? part.replace(/\{\d+\}$/, '') : quoted(part.toString('latin1'))))
      .join('');
    const match = new RegExp(`^\\* ${word} \\(([^)]*)\\) (?:"[^"]*"|NIL) (.*)$`).exec(text);
    if (!match) return [];
    const raw = match[2] ?? '';
    const wire = raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, '$1') : raw;
    return [{ wire, attributes: (match[1] ?? '').split(' ').filter(Boolean) }];
  });
}

function fetched(response: Response): ReadMessage[] {
  const text = response.filter((part) => typeof part === 'string').join(' ');
  if (!/^\* \d+ FETCH /.test(text)) return [];
  const body = response.find((part) => typeof part !== 'string') as Buffer | undefined;
  const date = /INTERNALDATE "([^"]+)"/.exec(text)?.[1];
  const flags = /FLAGS \(([^)]*)\)/.exec(text)?.[1] ?? '';
  if (!body || !date) throw new Error(`not understood: ${text.slice(0, 200)}`);
  return [
    {
      sha256: createHash('sha256').update(body).digest('hex'),
      size: body.length,
      flags: flags
        .split(' ')
        .filter((flag) => flag && flag !== '\\Recent')
        .sort(),
      internalDate: new Date(date.trim().replace(/^(\d+)-(\w+)-(\d+)/, '$1 $2 $3')).toISOString(),
    },
  ];
}

function compare(a: ReadMessage, b: ReadMessage): number {
  const key = (message: ReadMessage): string => [message.internalDate, message.sha256, ...message.flags].join(' ');
  return key(a) < key(b) ? -1 : 1;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** RFC 3501 date-time, in UTC. */
function imapDate(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = String(date.getUTCDate()).padStart(2, ' ');
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  return `${day}-${MONTHS[date.getUTCMonth()]}-${date.getUTCFullYear()} ${time} +0000`;
}
