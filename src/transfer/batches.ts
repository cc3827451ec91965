import { RIDES_ALONG_BYTES } from './staging.js';

/** Large enough that a round trip and a commit do not count, small enough to hold three a lane. */
export const BATCH_BYTES = 4 * 1024 * 1024;
export const BATCH_ITEMS = 500;

/** Splits items in their order. A large one goes alone: see BodyStaging for why. */
export function inBatches<T extends { readonly size: number }>(
  items: readonly T[],
  bytes = BATCH_BYTES,
  count = BATCH_ITEMS,
): T[][] {
  const batches: T[][] = [];
  let batch: T[] = [];
  let sum = 0;
  const close = () => {
    if (batch.length > 0) batches.push(batch);
    batch = [];
    sum = 0;
  };
  for (const item of items) {
    if (item.size > RIDES_ALONG_BYTES) {
      close();
      batches.push([item]);
      continue;
    }
    if (batch.length >= count || sum + item.size > bytes) close();
    batch.push(item);
    sum += item.size;
  }
  close();
  return batches;
}
