import type { Binding, KnownFolder } from '../ledger/ledger.js';
import type { Digest } from '../mailbox/digest.js';
import type { SourceFolder } from '../mailbox/folder.js';
import type { ItemKey } from '../mailbox/item.js';
import { inBatches } from './batches.js';
import type { Run } from './run.js';

/**
 * The source folder has another UIDVALIDITY, so every item has a new key. Bindings whose key vanished follow the
 * new key with the same content, one to one; the rest of the new keys is new mail. Every body is read: an announced
 * size or a Message-ID is no identity.
 */
export async function rekeyFolder(run: Run, known: KnownFolder, folder: SourceFolder): Promise<void> {
  const orphans = new Map<ItemKey, Binding>();
  for await (const window of run.ledger.bindings(known.id))
    for (const binding of window) if (binding.digest !== null) orphans.set(binding.key, binding);
  if (orphans.size === 0) return;
  const bound = orphans.size;
  let moved = 0;
  // First pass: which keys are still listed. A source that keeps its keys over a change of epoch loses nothing.
  for await (const page of run.source.scan(folder, null, run.signal))
    for (const item of page.items) orphans.delete(item.key);
  const byDigest = new Map<Digest, ItemKey[]>();
  for (const { key, digest } of orphans.values()) byDigest.set(digest!, [...(byDigest.get(digest!) ?? []), key]);
  for await (const page of run.source.scan(folder, null, run.signal)) {
    const taken = new Set(
      (
        await run.ledger.bound(
          known.id,
          page.items.map((item) => item.key),
        )
      ).map((b) => b.key),
    );
    const fresh = page.items.filter((item) => !taken.has(item.key));
    for (const batch of inBatches(fresh)) {
      run.check();
      if (byDigest.size === 0) return;
      const pairs: { from: ItemKey; to: ItemKey }[] = [];
      for await (const outcome of run.source.read(folder, batch, run.parts.staging, run.signal)) {
        if (outcome.is !== 'staged') continue;
        const { digest } = outcome.item.body;
        await outcome.item.body.release();
        const from = byDigest.get(digest)?.shift();
        if (byDigest.get(digest)?.length === 0) byDigest.delete(digest);
        if (from) pairs.push({ from, to: outcome.ref.key });
      }
      if (pairs.length > 0) await run.ledger.rekey(known.id, pairs);
      moved += pairs.length;
    }
  }
  run.listener.log('warn', 'the old provider gave a folder new ids; its items were recognised by content', {
    folder: folder.path.join('/'),
    bound,
    recognised: moved,
  });
}
