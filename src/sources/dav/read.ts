import type { ItemMeta, ItemRef, ReadOutcome, Staging } from '../../mailbox/item.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { ConnectError } from '../../protocols/connect-error.js';
import type { DavClient } from '../../protocols/dav/client.js';
import { DavFailure, mayBeOfOne } from '../../protocols/dav/failure.js';
import { get } from '../../protocols/dav/get.js';
import { MAX_OBJECT_BYTES, MULTIGET_BYTES, MULTIGET_HELD_BYTES, MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { type DavObject, multiget } from '../../protocols/dav/multiget.js';
import { XmlError } from '../../protocols/xml.js';
import type { FoundFolder } from './folders.js';
import { pathOf, versionOf } from './keys.js';

/**
 * Bodies by multiget in batches. What a batch leaves out, and every object of a batch that cannot be read as a whole, is asked for alone:
 * one broken or endless object costs nobody else.
 */
export async function* readObjects(
  client: DavClient,
  { collection }: FoundFolder,
  refs: readonly (ItemRef & Partial<Pick<ItemMeta, 'size'>>)[],
  stage: Staging,
  signal: AbortSignal,
): AsyncGenerator<ReadOutcome> {
  for (const batch of batches(refs)) {
    signal.throwIfAborted();
    const wanted = new Map(batch.map((ref) => [pathOf(ref), ref]));
    const got: DavObject[] = [];
    if (batch.length > 1)
      await client
        .repeatable(signal, async () => {
          got.splice(0);
          let held = 0;
          await multiget(client, collection, [...wanted.keys()], signal, (object) => {
            // Something nobody asked for.
            if (!wanted.has(object.path)) return;
            held += object.body.length;
            if (held > MULTIGET_HELD_BYTES) throw new XmlError('XML_TOO_LARGE', 'more than was announced');
            got.push(object);
          });
        })
        .catch((error: unknown) => {
          if (!isOfTheBatch(error)) throw error;
        });
    for (const object of got) {
      const ref = wanted.get(object.path);
      // Twice the same.
      if (ref === undefined) continue;
      wanted.delete(object.path);
      yield await staged(ref, object, stage);
    }
    for (const [path, ref] of wanted) yield await readAlone(client, new URL(path, collection.url), ref, stage, signal);
  }
}

/** The answer as a whole was no good, or the server refuses the question: one of the objects may be the reason. */
function isOfTheBatch(error: unknown): boolean {
  if (!(error instanceof TransferError)) return false;
  const { cause } = error;
  if (cause instanceof XmlError) return cause.code !== 'XML_FORBIDDEN';
  if (cause instanceof ConnectError) return cause.why === 'too-large';
  return cause instanceof DavFailure && mayBeOfOne(cause);
}

async function readAlone(
  client: DavClient,
  url: URL,
  ref: ItemRef,
  stage: Staging,
  signal: AbortSignal,
): Promise<ReadOutcome> {
  try {
    const object = await client.repeatable(signal, () => get(client, url, pathOf(ref), MAX_OBJECT_BYTES, signal));
    return object === null ? { ref, is: 'vanished' } : await staged(ref, object, stage);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TransferError)) throw error;
    const about = aboutOne(error);
    if (about === null) throw error;
    return { ref, is: 'unreadable', error: about };
  }
}

/** Null: it is wider than this object. */
function aboutOne(error: TransferError): TransferError | null {
  const one = (message: string, code: string, retry: TransferError['retry']): TransferError =>
    new TransferError(message, {
      side: 'source',
      scope: 'item',
      retry,
      code,
      serverText: error.serverText,
      cause: error,
    });
  const { cause } = error;
  if (cause instanceof ConnectError && cause.why === 'too-large')
    return one('It is larger than what is read at once.', 'MESSAGE_TOO_LARGE', 'never');
  if (cause instanceof ConnectError && cause.why === 'cut')
    return one('The old server gives out only the beginning of it.', 'NOT_GIVEN', 'later');
  if (cause instanceof DavFailure && (error.scope === 'folder' || mayBeOfOne(cause)))
    return one('The old server lists it and does not give it out.', 'NOT_GIVEN', 'later');
  return null;
}

async function staged(ref: ItemRef, { body, etag }: DavObject, stage: Staging): Promise<ReadOutcome> {
  if (body.length > MAX_OBJECT_BYTES) {
    const message = 'It is larger than what is read at once.';
    return {
      ref,
      is: 'unreadable',
      error: new TransferError(message, { side: 'source', scope: 'item', retry: 'never', code: 'MESSAGE_TOO_LARGE' }),
    };
  }
  try {
    const whole = await stage.put(
      ref,
      (async function* () {
        yield body;
      })(),
      body.length,
    );
    return { ref, is: 'staged', item: { ref, body: whole, date: null, flags: [], notes: [], ...versionOf(etag) } };
  } catch (error) {
    if (!(error instanceof TransferError) || error.scope !== 'item') throw error;
    return { ref, is: 'unreadable', error };
  }
}

function* batches<T extends { readonly size?: number }>(refs: readonly T[]): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const ref of refs) {
    const size = ref.size ?? 0;
    if (batch.length > 0 && (batch.length >= MULTIGET_ITEMS || bytes + size > MULTIGET_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(ref);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
