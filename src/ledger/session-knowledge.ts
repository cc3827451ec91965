import type { DestinationFolderId, FolderId } from '../mailbox/folder.js';
import type { FolderMap, ItemPlace } from './ledger.js';

/** What the only writer of a mailbox knows without asking, so that a small folder costs few statements. */
export class SessionKnowledge {
  /** Folders whose keys are one set, by any of them. */
  private readonly sharing = new Map<FolderId, readonly FolderId[]>();
  private bound: ReadonlyMap<FolderId, number> | null = null;
  private readonly touched = new Set<FolderId>();
  private readonly intended = new Set<DestinationFolderId>();

  /** @param map all folders of the link. */
  learn({ folders }: FolderMap): void {
    this.sharing.clear();
    const ofAccount = folders.filter(({ source }) => source.keyScope === 'account').map(({ id }) => id);
    for (const { id, source } of folders) this.sharing.set(id, source.keyScope === 'account' ? ofAccount : [id]);
  }

  /** Folders that share their keys with this one, itself included. Undefined: not known. */
  sharingKeys(folder: FolderId): readonly FolderId[] | undefined {
    return this.sharing.get(folder);
  }

  /** @param counts of every folder of the link that has bindings. */
  counted(counts: ReadonlyMap<FolderId, number>): void {
    this.bound = counts;
  }

  /** They may be bound from now on. */
  touch(places: readonly ItemPlace[]): void {
    for (const { folder } of places) this.touched.add(folder);
  }

  /** Intents may be open there from now on. */
  intend(folder: DestinationFolderId): void {
    this.intended.add(folder);
  }

  /** True: this session has begun an intent there. */
  hasIntended(folder: DestinationFolderId): boolean {
    return this.intended.has(folder);
  }

  /** True: none of these folders has a binding. */
  areUnbound(folders: readonly FolderId[]): boolean {
    const { bound, touched } = this;
    return bound !== null && folders.every((folder) => !bound.has(folder) && !touched.has(folder));
  }
}
