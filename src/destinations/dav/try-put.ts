import { setTimeout as pause } from 'node:timers/promises';
import type { ItemKind } from '../../mailbox/kinds.js';
import type { TransferError } from '../../mailbox/transfer-error.js';
import type { DavClient } from '../../protocols/dav/client.js';
import type { DavCollection } from '../../protocols/dav/collections.js';
import { type DavFailure, mayBeOfOne } from '../../protocols/dav/failure.js';
import { put, type PutResult } from '../../protocols/dav/put.js';
import { formatOf } from './form.js';
import { aboutObject } from './refusals.js';

/** Tries of one PUT: its condition makes it harmless to do it again. */
const PUT_TRIES = 3;
const PAUSE_MS = 500;

export interface PutPlace {
  readonly client: DavClient;
  readonly collection: DavCollection;
  /** What its folder holds: decides the format. */
  readonly kind: ItemKind;
}

/** `perhapsOurs`: what is there now may have come by an earlier try of this one. */
export type Tried = (PutResult & { readonly perhapsOurs: boolean }) | 'lease' | 'unknown';

/**
 * 'lease': nothing was sent. 'unknown': sent, and nobody knows what became of it.
 * @param replaces ETag of what is to go; null: nothing is there
 */
export async function tryPut(
  { client, collection, kind }: PutPlace,
  path: string,
  bytes: Uint8Array,
  mayCommit: () => boolean,
  signal: AbortSignal,
  replaces: string | null = null,
): Promise<Tried> {
  const type = formatOf(kind) === 'card' ? 'text/vcard; charset=utf-8' : 'text/calendar; charset=utf-8';
  const object = { url: new URL(path, collection.url), bytes, type };
  let mayBeThere = false;
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    if (!mayCommit()) return mayBeThere ? 'unknown' : 'lease';
    let failure: DavFailure | null = null;
    let told: TransferError;
    try {
      const result = await put(client, object, signal, replaces);
      if (result.is === 'stored' || !isPassing(result.failure)) return { ...result, perhapsOurs: mayBeThere };
      failure = result.failure;
      told = client.toError(failure);
    } catch (error) {
      if (signal.aborted) return 'unknown';
      told = client.toError(error);
      if (told.scope !== 'connection') throw told;
    }
    // It says when: nothing is asked of it before.
    if (told.retryAfterMs !== undefined) throw told;
    // A gateway that gave up says nothing about the server behind it.
    mayBeThere = true;
    if (tries >= PUT_TRIES) {
      if (failure !== null && mayBeOfOne(failure)) return { is: 'refused', failure, perhapsOurs: true };
      if (told.scope !== 'connection') throw told;
      return 'unknown';
    }
    await pause(PAUSE_MS * tries, undefined, { signal }).catch(() => undefined);
  }
}

function isPassing({ status }: DavFailure): boolean {
  return (status >= 500 && status !== 507) || status === 408 || status === 425;
}

/** @throws TransferError for what is wider than the object. */
export function refusal({ client }: Pick<PutPlace, 'client'>, failure: DavFailure): TransferError {
  const about = aboutObject(failure);
  if (about !== null) return about;
  throw client.toError(failure);
}
