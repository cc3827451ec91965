import type { ImapConnection } from '../connection.js';
import type { Value } from '../parse.js';
import { asList, asString } from '../values.js';
import { delimiter, list, type ListedMailbox } from './list.js';

export interface Namespace {
  readonly prefix: string;
  readonly delimiter: string | null;
}
export interface Namespaces {
  readonly personal: Namespace;
  /** Other people's and shared folders. */
  readonly others: readonly Namespace[];
}

/** Both in one burst, where the answers cannot be taken for each other's. */
export async function namespacesAndList(
  connection: ImapConnection,
): Promise<{ spaces: Namespaces; listed: ListedMailbox[] }> {
  if (!connection.has('NAMESPACE')) {
    const spaces = await namespaces(connection);
    return { spaces, listed: await list(connection) };
  }
  const [spaces, listed] = await Promise.all([namespaces(connection), list(connection)]);
  return { spaces, listed };
}

/** RFC 2342; without the extension, no prefix and the delimiter of LIST. */
export async function namespaces(connection: ImapConnection): Promise<Namespaces> {
  if (connection.has('NAMESPACE')) {
    let told: readonly Value[] | null = null;
    await connection.command('NAMESPACE', {
      onUntagged(response) {
        if (response.is !== 'data' || response.name !== 'NAMESPACE') return false;
        told = response.values;
        return true;
      },
    });
    const [personal, users, shared] = (told ?? []) as readonly Value[];
    const own = toNamespaces(personal)[0];
    if (own !== undefined) return { personal: own, others: [...toNamespaces(users), ...toNamespaces(shared)] };
  }
  return { personal: { prefix: '', delimiter: await delimiter(connection) }, others: [] };
}

function toNamespaces(value: Value | undefined): Namespace[] {
  return asList(value).map((entry) => {
    const [prefix, separator] = asList(entry);
    return { prefix: asString(prefix) ?? '', delimiter: asString(separator) };
  });
}
