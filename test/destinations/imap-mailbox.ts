import { hostedMailbox } from '../../src/destinations/hosted-mailbox.js';
import type { Destination } from '../../src/destinations/destination.js';
import type { ResolvedGrant } from '../../src/destinations/grant.js';
import type { ZonedDate } from '../../src/mailbox/item.js';
import type { DestinationServer, SeenMessage } from '../contracts/destination.contract.js';
import { runCommands, type TestAccount } from '../servers/dovecot.js';
import { encodeName, quoted, RawImap } from '../servers/raw-imap.js';
import { deliver, imapDate, loopback } from '../sources/imap/dovecot-mailbox.js';

export interface Naming {
  readonly prefix: string;
  readonly separator: string;
}

export function grantOf(account: TestAccount): ResolvedGrant {
  const endpoint = { host: account.host, port: account.imapsPort, security: 'tls', ca: account.ca } as const;
  return { kind: 'user-secret', endpoint, login: account.user, password: account.password };
}

export function destinationOn(account: TestAccount): Destination {
  return hostedMailbox({ grant: async () => grantOf(account), policy: loopback });
}

/** For the contract: one Dovecot account as the hoster's server. */
export function destinationServerOn(
  account: TestAccount,
  remove: () => void,
  naming: Naming = { prefix: '', separator: '/' },
): DestinationServer {
  const wire = (path: readonly string[]): string[] =>
    path.length === 1 && path[0] === 'INBOX' ? ['INBOX'] : [`${naming.prefix}${path.join(naming.separator)}`];
  return {
    keepsZone: false,
    contents: (path) => contents(account, wire(path)[0]!),
    deliver: (path, bytes, flags, date) => deliver(account, wire(path), bytes, flags, imapDate(date)),
    async removeFirst(path) {
      const name = quoted(encodeName(wire(path)[0]!));
      await runCommands(account, `SELECT ${name}`, 'STORE 1 +FLAGS.SILENT (\\Deleted)', 'EXPUNGE');
    },
    destination: () => destinationOn(account),
    async close() {
      remove();
    },
  };
}

/** Messages of a folder in the order of their UIDs, by another client than the product's. Missing folder: empty. */
export async function contents(account: TestAccount, name: string): Promise<SeenMessage[]> {
  const imap = await RawImap.open(account.imapPort, account.user, account.password);
  try {
    const opened = await imap.command(`EXAMINE ${quoted(encodeName(name))}`).catch(() => null);
    if (opened === null || opened.some((line) => / 0 EXISTS$/.test(String(line[0])))) return [];
    const answers = await imap.command('UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])');
    return answers.flatMap((answer) => {
      const text = answer.filter((part) => typeof part === 'string').join(' ');
      const bytes = answer.find((part) => typeof part !== 'string') as Buffer | undefined;
      const flags = /FLAGS \(([^)]*)\)/.exec(text)?.[1];
      const date = /INTERNALDATE "([^"]+)"/.exec(text)?.[1];
      if (bytes === undefined || flags === undefined || date === undefined) return [];
      const kept = flags.split(' ').filter((flag) => flag !== '' && flag !== '\\Recent');
      return [{ bytes, flags: kept, date: zoned(date) }];
    });
  } finally {
    await imap.close();
  }
}

function zoned(text: string): ZonedDate {
  const [, day, month, year, time, sign, hours, minutes] = /^ ?(\d+)-(\w+)-(\d+) ([\d:]+) ([+-])(\d\d)(\d\d)$/.exec(
    text,
  )!;
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  return { seconds: Date.parse(`${day} ${month} ${year} ${time} ${sign}${hours}${minutes}`) / 1000, offset };
}
