import type { Binding } from '../ledger/ledger.js';
import type { Digest } from '../mailbox/digest.js';
import type { FolderId } from '../mailbox/folder.js';
import type { ItemKey } from '../mailbox/item.js';
import { inBatches } from './batches.js';
import { fitted } from './fit.js';
import type { Lane } from './lane.js';
import { fingerprints } from './look.js';

/** Hashes every body on both sides again and reports what differs from what was sent. Changes nothing. */
export async function deepVerify(lane: Lane): Promise<void> {
  const { run } = lane;
  const differing = new Map<FolderId, number>();
  const add = (folder: FolderId) => differing.set(folder, (differing.get(folder) ?? 0) + 1);
  for await (const window of run.ledger.claims(lane.id, lane.epoch)) {
    const byId = new Map(window.map((binding) => [binding.id!.id, binding]));
    const ids = window.map((binding) => binding.id!);
    for await (const print of fingerprints(run, lane.folder, ids, 'body')) {
      const binding = byId.get(print.id.id);
      if (binding?.digest && print.digest !== binding.digest) add(binding.folder);
    }
    run.check();
  }
  for (const source of lane.sources)
    for await (const page of run.source.scan(source.source, null, run.signal)) {
      const keys = page.items.map((item) => item.key);
      const bound = new Map<ItemKey, Binding>((await run.ledger.bound(source.id, keys)).map((b) => [b.key, b]));
      for (const batch of inBatches(page.items.filter((item) => bound.has(item.key)))) {
        run.check();
        for await (const outcome of run.source.read(source.source, batch, run.parts.staging, run.signal)) {
          if (outcome.is !== 'staged') continue;
          const [item] = await fitted(lane, source, [outcome.item]);
          if (item === undefined) continue;
          const digest: Digest = item.body.digest;
          await item.body.release();
          const sent = bound.get(outcome.ref.key)?.digest;
          if (sent && sent !== digest) add(source.id);
        }
      }
    }
  for (const [folder, count] of differing)
    await run.ledger.remark(
      folder,
      Array.from({ length: count }, () => ({ code: 'BODY_DIFFERS', detail: lane.name })),
    );
}
