import type { ItemMeta, ScanPage, SyncState } from '../../mailbox/item.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import type { DavClient } from '../../protocols/dav/client.js';
import { type ListedObject, listObjects } from '../../protocols/dav/listing.js';
import { isTokenRefused, syncCollection } from '../../protocols/dav/sync.js';
import { inPages } from '../../protocols/imap/mailbox-windows.js';
import { flagsOf, MAX_SCAN_PAGE } from '../source.js';
import type { FoundFolder } from './folders.js';
import { itemRef, versionOf } from './keys.js';

/** Bytes of an object whose size the server does not say: an ordinary event. */
const USUAL_BYTES = 1_000;

/** Where a scan stopped. Both are from before the listing began, so that nothing that changed meanwhile is missed. */
interface State {
  readonly syncToken: string | null;
  readonly ctag: string | null;
}

/** Metadata of a folder in the server's order. `account` names whose keys they are. */
export async function* scanFolder(
  client: DavClient,
  found: FoundFolder,
  account: string,
  since: SyncState | null,
  signal: AbortSignal,
): AsyncGenerator<ScanPage> {
  const { collection, component } = found;
  const now: State = { syncToken: collection.syncToken, ctag: collection.ctag };
  const page = (
    objects: readonly ListedObject[],
    state: State,
    full: boolean,
    gone: readonly string[] = [],
  ): ScanPage => ({
    items: objects.map((object) => toMeta(account, object, found.folder.kind)),
    gone: gone.map((path) => itemRef(account, path).key),
    next: { ...state },
    full,
  });
  const earlier = parseState(since);
  if (earlier !== null && earlier.ctag !== null && earlier.ctag === now.ctag) {
    yield page([], now, false);
    return;
  }
  if (earlier?.syncToken && collection.canSync && found.whole) {
    const changes = await changesSince(client, found, earlier.syncToken, signal);
    if (changes !== null) {
      const state = { syncToken: changes.token, ctag: now.ctag };
      for (const part of inPages(changes.changed, MAX_SCAN_PAGE)) yield page(part, state, false);
      yield page([], state, false, changes.gone);
      return;
    }
  }
  const all = new Map<string, ListedObject>();
  const { cut, unusable } = await listObjects(client, collection, component, signal, () => {
    all.clear();
    return (object) => void all.set(object.path, object);
  });
  for (const part of inPages([...all.values()], MAX_SCAN_PAGE)) yield page(part, now, true);
  yield { ...page([], now, true), ...(cut || unusable > 0 ? { short: true } : {}) };
}

/** Null: the server has forgotten the token. */
async function changesSince(
  client: DavClient,
  { collection }: FoundFolder,
  token: string,
  signal: AbortSignal,
): Promise<{ changed: ListedObject[]; gone: string[]; token: string } | null> {
  return client.repeatable(signal, async () => {
    const changed = new Map<string, ListedObject>();
    const gone = new Set<string>();
    let next = token;
    try {
      for await (const part of syncCollection(client, collection, token, signal)) {
        for (const object of part.changed) {
          changed.set(object.path, object);
          gone.delete(object.path);
        }
        for (const path of part.gone) {
          gone.add(path);
          changed.delete(path);
        }
        next = part.token;
        if (part.unusable > 0) return null;
      }
    } catch (error) {
      if (isTokenRefused(error)) return null;
      throw error;
    }
    return { changed: [...changed.values()], gone: [...gone], token: next };
  });
}

function toMeta(account: string, { path, etag, bytes }: ListedObject, kind: ItemKind): ItemMeta {
  return {
    ...itemRef(account, path),
    size: bytes ?? USUAL_BYTES,
    date: null,
    flags: flagsOf(kind),
    ...versionOf(etag),
  };
}

/** Null for a state that is not ours: then everything is listed. */
function parseState(since: SyncState | null): State | null {
  if (since === null) return null;
  const { syncToken, ctag } = since;
  return {
    syncToken: typeof syncToken === 'string' ? syncToken : null,
    ctag: typeof ctag === 'string' ? ctag : null,
  };
}
