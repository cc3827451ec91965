import { createHash } from 'node:crypto';
import type { ZonedDate } from '../../../src/mailbox/item.js';
import type { ConnectPolicy, ConnectTarget } from '../../../src/protocols/connect.js';
import type { ImapLogin } from '../../../src/protocols/imap/open.js';
import { ImapSource, type ImapSourceOptions } from '../../../src/sources/imap/imap-source.js';
import { runCommands, type TestAccount } from '../../servers/dovecot.js';
import { encodeName, quoted, RawImap } from '../../servers/raw-imap.js';
import type { SourceServer } from '../../contracts/source.contract.js';

export const loopback: ConnectPolicy = {
  allowPrivate: true,
  allowPlaintext: false,
  ports: 'any',
  deadlineMs: 10_000,
};

export function targetOf(account: TestAccount): ConnectTarget {
  return { host: account.host, port: account.imapsPort, security: 'tls', ca: account.ca };
}

export function loginOf(account: TestAccount): ImapLogin {
  return { kind: 'password', user: account.user, password: account.password };
}

export function sourceOn(account: TestAccount, more: Partial<ImapSourceOptions> = {}): ImapSource {
  return new ImapSource({
    target: targetOf(account),
    login: async () => loginOf(account),
    policy: loopback,
    owner: account.user,
    ...more,
  });
}

/** Bodies as hashes, so that a difference can be read. */
const text = (part: string | Buffer): string =>
  typeof part === 'string' ? part : createHash('sha256').update(part).digest('hex');
/** \\Marked says whether somebody has looked since: no part of the mailbox. */
const attributes = (line: readonly (string | Buffer)[]): string =>
  line
    .map(String)
    .join('')
    .replace(/ ?\\(Un)?marked/gi, '');

/** Everything an outside reader can see, MODSEQ included. */
export async function snapshot(account: TestAccount): Promise<string> {
  const [folders] = await runCommands(account, 'LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE)');
  const names = folders!
    .filter((line) => !/Noselect/i.test(String(line[0])))
    .flatMap((line) => /"\/" (.*)$/.exec(String(line[0]))?.[1] ?? [])
    .sort();
  const commands = names.flatMap((name) => [
    `EXAMINE ${name} (CONDSTORE)`,
    'UID FETCH 1:* (FLAGS INTERNALDATE MODSEQ BODY.PEEK[])',
  ]);
  const seen = await runCommands(account, ...commands);
  const lasting = seen.map((answer) =>
    answer
      .slice(0, -1)
      .map((line) => line.map(text).join('\n'))
      .filter((line) => !/RECENT|UNSEEN|CLOSED/.test(line)),
  );
  return JSON.stringify([folders!.slice(0, -1).map(attributes).sort(), lasting]);
}

/** As the owner's own client would do it, with the date in its own zone. Makes the folder when it is missing. */
export async function deliver(
  account: TestAccount,
  path: readonly string[],
  bytes: Buffer,
  flags: readonly string[],
  date: string,
): Promise<void> {
  const imap = await RawImap.open(account.imapPort, account.user, account.password);
  const name = quoted(encodeName(path.join('/')));
  try {
    await imap.command(`CREATE ${name}`).catch(() => undefined);
    await imap.command(`APPEND ${name} (${flags.join(' ')}) ${quoted(date)} `, bytes);
  } finally {
    await imap.close();
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** RFC 3501 date-time. */
export function imapDate({ seconds, offset }: ZonedDate): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const at = new Date((seconds + offset * 60) * 1000);
  const time = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(':');
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${String(at.getUTCDate()).padStart(2, ' ')}-${MONTHS[at.getUTCMonth()]}-${at.getUTCFullYear()} ${time} ${zone}`;
}

/** For the contract: one Dovecot account as a source server. */
export function sourceServerOn(account: TestAccount, remove: () => void): SourceServer {
  return {
    deliver: (path, bytes, flags, date) => deliver(account, path, bytes, flags, imapDate(date)),
    async removeFirst(path) {
      await runCommands(
        account,
        `SELECT ${quoted(encodeName(path.join('/')))}`,
        'STORE 1 +FLAGS.SILENT (\\Deleted)',
        'EXPUNGE',
      );
    },
    keepsZone: false,
    snapshot: () => snapshot(account),
    source: () => sourceOn(account),
    async close() {
      remove();
    },
  };
}
