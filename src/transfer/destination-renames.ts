import type { Binding, FolderMap, KnownDestinationFolder } from '../ledger/ledger.js';
import type { DestinationFolder, DestinationFolderId } from '../mailbox/folder.js';
import { fingerprints } from './look.js';
import { withRetries } from './retry.js';
import type { Run } from './run.js';

/** Items that are looked at before a folder counts as another one's new name, and how many of them must be ours. */
const SAMPLE = 20;
const ALIKE = 0.8;

/** Where the destination folders of earlier runs are; `renamed` by the person who owns the mailbox. */
export type Place = { readonly is: 'there' | 'gone' } | { readonly is: 'renamed'; readonly to: DestinationFolder };

/** Finds each destination folder that earlier runs wrote into again, whatever it is called today. */
export async function findDestinations(run: Run, before: FolderMap): Promise<Map<DestinationFolderId, Place>> {
  const places = new Map<DestinationFolderId, Place>();
  const known = [...new Map(before.folders.flatMap(({ destination: d }) => (d ? [[d.id, d]] : []))).values()];
  const { destination } = run;
  if (known.length === 0 || !destination.locate) return places;
  const folders = known.map(({ folder }) => folder);
  const told = await withRetries(run, 'find folders', () => destination.locate!(folders, run.signal));
  const taken = new Set(told.flatMap((one) => (one.is === 'renamed' ? [one.to.name] : [])));
  for (const [i, one] of told.entries()) {
    const { id } = known[i]!;
    if (one.is !== 'perhaps') {
      places.set(id, one);
      continue;
    }
    const free = one.among.filter(({ name }) => !taken.has(name));
    const to = await withRetries(run, 'find folders', () => byItems(run, known[i]!, free));
    if (to) taken.add(to.name);
    places.set(id, to ? { is: 'renamed', to } : { is: one.unlessNone });
  }
  return places;
}

/** The one of these folders, which all have the epoch of the one that is sought, that holds what we stored there. */
async function byItems(
  run: Run,
  known: KnownDestinationFolder,
  among: readonly DestinationFolder[],
): Promise<DestinationFolder | null> {
  const claims = await someClaims(run, known);
  if (claims.size === 0) return null;
  for (const folder of among) {
    const ids = [...claims.values()].map(({ id }) => id!);
    let there = 0;
    let ours = 0;
    for await (const { id, digest } of fingerprints(run, folder, ids, 'body')) {
      there++;
      if (digest === claims.get(id.id)?.digest) ours++;
    }
    if (there > 0 && ours >= ALIKE * there) return folder;
  }
  return null;
}

/** From the whole range, so that what the person removed since does not hide the rest. */
async function someClaims(run: Run, { id, folder }: KnownDestinationFolder): Promise<Map<string, Binding>> {
  const some = new Map<string, Binding>();
  for await (const window of run.ledger.claims(id, folder.epoch)) {
    const able = window.filter((binding) => binding.id !== null && binding.digest !== null);
    const step = Math.max(1, Math.ceil(able.length / SAMPLE));
    for (let i = 0; i < able.length; i += step) some.set(able[i]!.id!.id, able[i]!);
    if (some.size > 0) return some;
  }
  return some;
}
