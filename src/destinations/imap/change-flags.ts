import { storeFlags } from '../../protocols/imap/commands/store-flags.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { isRefusal } from '../../protocols/imap/failure.js';
import { toSequenceSets } from '../../protocols/imap/sequence-set.js';
import type { DestinationId, FlagChange, FlagRefusal } from '../destination.js';
import { fitFlags } from './flags.js';

interface Group {
  readonly sign: '+' | '-';
  readonly flags: readonly string[];
  readonly ids: DestinationId[];
}

/** Changes that are the same go together; of several flags that are refused together each is tried alone. */
export async function changeFlags(
  connection: ImapConnection,
  changes: readonly FlagChange[],
  permanent: readonly string[] | null,
): Promise<FlagRefusal[]> {
  const refused = new Map<string, { id: DestinationId; flags: string[] }>();
  const refuse = (id: DestinationId, flags: readonly string[]): void => {
    const known = refused.get(id.id) ?? { id, flags: [] };
    known.flags.push(...flags);
    if (known.flags.length > 0) refused.set(id.id, known);
  };
  const groups = new Map<string, Group>();
  for (const { id, add, remove } of changes)
    for (const [sign, wanted] of [['+', add] as const, ['-', remove] as const]) {
      const { flags, notes } = fitFlags(wanted, permanent);
      if (sign === '+')
        refuse(
          id,
          notes.flatMap(({ code, detail }) => (code === 'FLAG_DROPPED' && detail !== undefined ? [detail] : [])),
        );
      if (flags.length === 0) continue;
      const name = `${sign}${flags.join(' ')}`;
      const group = groups.get(name) ?? { sign, flags, ids: [] };
      group.ids.push(id);
      groups.set(name, group);
    }
  for (const group of groups.values())
    for (const flags of await storeGroup(connection, group)) for (const id of group.ids) refuse(id, flags);
  return [...refused.values()];
}

/** @returns the flags that were refused, each in a list of its own. */
async function storeGroup(connection: ImapConnection, { sign, flags, ids }: Group): Promise<(readonly string[])[]> {
  const sets = toSequenceSets(ids.map(({ id }) => Number(id)).sort((a, b) => a - b));
  const store = async (some: readonly string[]): Promise<boolean> => {
    try {
      for (const set of sets) await storeFlags(connection, set, sign, some);
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return false;
    }
  };
  if (await store(flags)) return [];
  if (flags.length === 1) return [flags];
  const refused: (readonly string[])[] = [];
  for (const flag of flags) if (!(await store([flag]))) refused.push([flag]);
  return refused;
}
