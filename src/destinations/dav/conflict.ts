import { digestObject } from '../../conversion/semantic/digest.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { DavFailure, mayBeOfOne } from '../../protocols/dav/failure.js';
import { findByUid } from '../../protocols/dav/find-by-uid.js';
import { get } from '../../protocols/dav/get.js';
import { normalPath } from '../../protocols/dav/hrefs.js';
import { MAX_OBJECT_BYTES } from '../../protocols/dav/limits.js';
import { aboutObject, uidConflict } from './refusals.js';
import type { PutPlace } from './try-put.js';

/** `same`: what is there says the same. */
export type Conflict =
  { readonly is: 'same'; readonly path: string } | { readonly is: 'other'; readonly error: TransferError };

/** Paths that the server names in its refusal (RFC 4791 section 5.3.2.1). */
export function named({ collection }: PutPlace, { hrefs }: DavFailure): string[] {
  return hrefs.map((href) => normalPath(href, collection.url)).filter((one) => one !== null);
}

/**
 * Something with this UID is there under another name: equal means arrived, else it is the person's and stays.
 * @param failure what the server said; null: we did not ask
 */
export async function conflict(
  { client, collection }: PutPlace,
  own: { readonly uid: string; readonly digest: string },
  known: readonly string[],
  failure: DavFailure | null,
  signal: AbortSignal,
): Promise<Conflict> {
  const asked =
    failure === null
      ? []
      : await unlessRefused(client.repeatable(signal, () => findByUid(client, collection, own.uid, signal)));
  const paths = new Set([...known, ...(asked ?? [])]);
  for (const path of paths) {
    const there = await unlessRefused(
      client.repeatable(signal, () => get(client, new URL(path, collection.url), path, MAX_OBJECT_BYTES, signal)),
    );
    if (there !== null && digestObject(there.body).digest === own.digest) return { is: 'same', path };
  }
  // Without any it is a refusal that only looked like one.
  const about = paths.size > 0 || asked === null || failure === null ? null : aboutObject(failure);
  return { is: 'other', error: about ?? uidConflict() };
}

/** Null: the server does not answer this question, which costs one item. @throws TransferError for what is wider */
async function unlessRefused<T>(asking: Promise<T>): Promise<T | null> {
  try {
    return await asking;
  } catch (error) {
    if (!(error instanceof TransferError) || error.code === 'DESTINATION_MISSING') throw error;
    if (error.scope === 'folder' || (error.cause instanceof DavFailure && mayBeOfOne(error.cause))) return null;
    throw error;
  }
}
