import { EwsFailure } from '../../protocols/ews/failure.js';
import { findFolders, getFolders } from '../../protocols/ews/folders.js';
import { MAX_FOLDERS } from '../../protocols/ews/limits.js';
import type { EwsTransport } from '../../protocols/ews/transport.js';
import { type Branch, GENERATED, OUTBOX, ROLES } from './folders.js';

const WELL_KNOWN = [...Object.keys(ROLES), ...GENERATED, OUTBOX];

/** The mailbox itself. @throws EwsFailure; ConnectError; XmlError */
export async function ownBranch(transport: EwsTransport, signal: AbortSignal): Promise<Branch> {
  const names = ['msgfolderroot', ...WELL_KNOWN];
  const named = await getFolders(
    transport,
    names.map((wellKnown) => ({ wellKnown })),
    signal,
  );
  const [root] = named;
  if (root === null || root === undefined) throw new EwsFailure('refused', { code: 'ErrorFolderNotFound' });
  const folders = await findFolders(transport, { wellKnown: 'msgfolderroot' }, 'deep', signal);
  const wellKnown = new Map(
    names.flatMap((name, i): [string, string][] => (named[i] == null ? [] : [[name, named[i].id]])),
  );
  return { rootId: root.id, prefix: [], folders, wellKnown, syncs: true };
}

/** The archive mailbox; nothing where there is none. */
export async function archiveBranch(transport: EwsTransport, signal: AbortSignal): Promise<Branch> {
  const nothing: Branch = { rootId: '', prefix: [], folders: [], wellKnown: new Map(), syncs: true };
  const [root] = await getFolders(transport, [{ wellKnown: 'archivemsgfolderroot' }], signal);
  if (root === null || root === undefined) return nothing;
  const folders = await findFolders(transport, { wellKnown: 'archivemsgfolderroot' }, 'deep', signal);
  return { ...nothing, rootId: root.id, prefix: ['Archive'], folders };
}

/** Level by level: Exchange does not look into public folders deep. @throws EwsFailure; ConnectError; XmlError */
export async function publicBranch(transport: EwsTransport, signal: AbortSignal): Promise<Branch> {
  const [root] = await getFolders(transport, [{ wellKnown: 'publicfoldersroot' }], signal);
  const branch = { prefix: ['Public Folders'], wellKnown: new Map<string, string>(), syncs: false };
  if (root === null || root === undefined) return { ...branch, rootId: '', folders: [] };
  const folders: Branch['folders'][number][] = [];
  const seen = new Set([root.id]);
  // A set is walked in the order in which it grows.
  for (const id of seen) {
    // One may lie below itself.
    const below = (await findFolders(transport, { id }, 'shallow', signal)).filter((one) => !seen.has(one.id));
    folders.push(...below);
    for (const one of below) seen.add(one.id);
    if (seen.size > MAX_FOLDERS) throw new EwsFailure('not-understood', { status: 200 });
  }
  return { ...branch, rootId: root.id, folders };
}
