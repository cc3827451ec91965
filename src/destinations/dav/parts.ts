import { digestObject } from '../../conversion/semantic/digest.js';
import type { TransferError } from '../../mailbox/transfer-error.js';
import { conflict, named } from './conflict.js';
import { isUidConflict, leaseEnding } from './refusals.js';
import { type PutPlace, refusal, tryPut } from './try-put.js';

export type PartOutcome =
  { readonly is: 'there' | 'unknown' } | { readonly is: 'refused'; readonly error: TransferError };

/**
 * One of the other objects that shared a resource with the first one at the source, under a name beside it. What is there already stays; it
 * counts as this one only if it says the same.
 * @param foreign by UID: what others filed, where the server would take another one beside it
 */
export async function putPart(
  place: PutPlace & { readonly foreign?: ReadonlyMap<string, readonly string[]> },
  first: string,
  n: number,
  bytes: Uint8Array,
  mayCommit: () => boolean,
  signal: AbortSignal,
): Promise<PartOutcome> {
  const path = partPath(first, n + 1);
  const { digest, messageId } = digestObject(bytes);
  const own = { uid: messageId ?? '', digest };
  const taken = place.foreign?.get(own.uid);
  const result = taken === undefined ? await tryPut(place, path, bytes, mayCommit, signal) : null;
  if (result === 'lease') return { is: 'refused', error: leaseEnding() };
  if (result === 'unknown') return { is: 'unknown' };
  if (result?.is === 'stored') return { is: 'there' };
  const failure = result?.failure ?? null;
  const found =
    failure === null
      ? await conflict(place, own, taken!, null, signal)
      : failure.status === 412
        ? await conflict(place, own, [path], null, signal)
        : isUidConflict(failure)
          ? await conflict(place, own, named(place, failure), failure, signal)
          : ({ is: 'other', error: refusal(place, failure) } as const);
  return found.is === 'same' ? { is: 'there' } : { is: 'refused', error: found.error };
}

function partPath(path: string, part: number): string {
  const at = path.lastIndexOf('.');
  return `${path.slice(0, at)}-${part}${path.slice(at)}`;
}
