import type { ImapConnection } from '../connection.js';
import { ImapFailure } from '../failure.js';
import type { Value } from '../parse.js';
import { asList, asString, strings } from '../values.js';

export interface ListedMailbox {
  /** The server's spelling, one character a byte. */
  readonly raw: string;
  readonly delimiter: string | null;
  /** Lower case, with backslash. */
  readonly attributes: ReadonlySet<string>;
}

/** More folders than any mailbox has. */
const MAX_MAILBOXES = 20_000;

/** Every mailbox that `pattern` matches, by LIST with the special uses and subscriptions the server can tell at once. */
export async function list(connection: ImapConnection): Promise<ListedMailbox[]> {
  const wanted: string[] = [];
  if (connection.has('SPECIAL-USE')) wanted.push('SPECIAL-USE');
  if (wanted.length > 0 && connection.has('LIST-EXTENDED') && !connection.traits.plainListOnly) {
    try {
      const found = await listing(connection, 'LIST', `LIST "" "*" RETURN (SUBSCRIBED ${wanted.join(' ')})`);
      if (found.length > 0) return found;
    } catch (error) {
      // Some servers offer the extended form and cannot do it (Strato, Proton). BAD ends the connection: the next asks plainly.
      if (error instanceof ImapFailure && error.kind === 'bad') connection.traits.plainListOnly = true;
      if (!(error instanceof ImapFailure) || error.fatal) throw error;
    }
  }
  return listing(connection, 'LIST', 'LIST "" "*"');
}

/** The subscribed mailboxes, by LSUB. */
export function lsub(connection: ImapConnection): Promise<ListedMailbox[]> {
  return listing(connection, 'LSUB', 'LSUB "" "*"');
}

/** The hierarchy delimiter where NAMESPACE is not known: LIST "" "" (RFC 9051 section 6.3.9). */
export async function delimiter(connection: ImapConnection): Promise<string | null> {
  const [root] = await listing(connection, 'LIST', 'LIST "" ""');
  return root?.delimiter ?? null;
}

async function listing(connection: ImapConnection, name: 'LIST' | 'LSUB', command: string): Promise<ListedMailbox[]> {
  const found: ListedMailbox[] = [];
  await connection.command(command, {
    onUntagged(response) {
      if (response.is !== 'data' || response.name !== name) return false;
      if (found.length >= MAX_MAILBOXES) throw new ImapFailure('too-large', 'the server listed too many folders');
      const mailbox = toMailbox(response.values);
      if (mailbox !== null) found.push(mailbox);
      return true;
    },
  });
  return found;
}

function toMailbox(values: readonly Value[]): ListedMailbox | null {
  const attributes = new Set(strings(asList(values[0])).map((attribute) => attribute.toLowerCase()));
  // A few servers forget to quote names with blanks.
  const words = values.slice(2).filter((value): value is string => typeof value === 'string');
  const raw = words.join(' ');
  if (raw === '') return null;
  const delimiter = asString(values[1]);
  return { raw, delimiter: delimiter === null || delimiter.length !== 1 ? null : delimiter, attributes };
}
