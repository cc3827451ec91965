import type { ItemMeta, ItemRef, Note, ReadOutcome, StagedBody, Staging } from '../../mailbox/item.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { ConnectError } from '../../protocols/connect-error.js';
import { isShort } from '../../protocols/ews/items.js';
import { BATCH_BYTES, BATCH_ITEMS } from '../../protocols/ews/limits.js';
import { getLargeMime, getMimes, type GotMime } from '../../protocols/ews/mime.js';
import type { XmlElement } from '../../protocols/xml.js';
import { ahead } from './ahead.js';
import type { EwsClient } from './client.js';
import { aboutOne, isGone, itemError, make } from './item-errors.js';
import { idOfRef } from './keys.js';
import { isLocked, isStandIn } from './stand-in.js';

type Ref = ItemRef & Partial<Pick<ItemMeta, 'size' | 'date' | 'flags'>>;

/** Bytes of a message whose size nobody told. */
const USUAL_BYTES = 64 * 1024;
/** Requests under way while one is being taken in. */
const AHEAD = 3;
/** Beginning of a large message that is looked at. */
const HEAD_BYTES = 16 * 1024;
/** Elements that are mail, whatever folder they lie in. */
const MAIL: ReadonlySet<string> = new Set([
  'Message',
  'MeetingMessage',
  'MeetingRequest',
  'MeetingResponse',
  'MeetingCancellation',
  'PostItem',
  'Item',
]);

/** Messages of one folder, small ones by the batch with some batches asked for ahead, large ones alone and as a stream. */
export async function* readMail(
  client: EwsClient,
  refs: readonly Ref[],
  stage: Staging,
  signal: AbortSignal,
): AsyncGenerator<ReadOutcome> {
  const jobs = batches(refs);
  const asked = ahead(jobs, AHEAD, ({ batch, large }) => (large ? null : ask(client, batch, signal)));
  for await (const {
    given: { batch, large },
    result,
  } of asked) {
    signal.throwIfAborted();
    if (large || result === null) {
      yield await readLarge(client, batch[0]!, stage, signal);
      continue;
    }
    for (const [i, got] of result.entries())
      yield await (got === 'large' ? readLarge(client, batch[i]!, stage, signal) : outcomeOf(batch[i]!, got, stage));
  }
}

async function ask(
  client: EwsClient,
  batch: readonly Ref[],
  signal: AbortSignal,
): Promise<(GotMime | TransferError | 'large')[]> {
  const read = (refs: readonly Ref[]): Promise<GotMime[]> =>
    client.repeatable(signal, () => getMimes(client.transport, refs.map(idOfRef), signal));
  try {
    return await read(batch);
  } catch (error) {
    signal.throwIfAborted();
    if (!isOfTheBatch(error)) throw error;
    // One of them may be the reason.
    const all: (GotMime | TransferError | 'large')[] = [];
    for (const ref of batch) {
      try {
        all.push(...(await read([ref])));
      } catch (alone) {
        signal.throwIfAborted();
        // Its size was not told, or too small.
        if (isTooLarge(alone)) {
          all.push('large');
          continue;
        }
        const about =
          aboutOne(alone) ??
          (isOfTheBatch(alone)
            ? make('NOT_GIVEN', 'The old server lists it and does not give it out.', 'later')
            : null);
        if (about === null) throw alone;
        all.push(about);
      }
    }
    return all;
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof TransferError && error.cause instanceof ConnectError && error.cause.why === 'too-large';
}

/** The server fails at the question as a whole, or the answer cannot be read. */
function isOfTheBatch(error: unknown): boolean {
  return (
    error instanceof TransferError &&
    (isShort(error.cause) || ['PROTOCOL_ERROR', 'SERVER_BUSY', 'SERVER_REFUSED'].includes(error.code))
  );
}

async function outcomeOf(ref: Ref, got: GotMime | TransferError, stage: Staging): Promise<ReadOutcome> {
  if (got instanceof TransferError) return { ref, is: 'unreadable', error: got };
  if ('code' in got) return refusalOf(ref, got.code, got.text);
  const { element, bytes } = got;
  const wrong = reasonAgainst(element, bytes ?? Buffer.alloc(0));
  if (wrong !== null) return { ref, is: 'unreadable', error: wrong };
  try {
    const whole = bytes!;
    const body = await stage.put(ref, only(whole), whole.length);
    return staged(ref, body, element, whole);
  } catch (error) {
    if (!(error instanceof TransferError) || error.scope !== 'item') throw error;
    return { ref, is: 'unreadable', error };
  }
}

function refusalOf(ref: Ref, code: string, text: string): ReadOutcome {
  return isGone(code) ? { ref, is: 'vanished' } : { ref, is: 'unreadable', error: itemError(code, text) };
}

/** Null: it is a message. */
function reasonAgainst(element: XmlElement, bytes: Uint8Array): TransferError | null {
  if (!MAIL.has(element.name)) return itemError('ErrorUnsupportedMimeConversion', element.name);
  if (bytes.length === 0) return make('EMPTY_MESSAGE', 'The message is empty.', 'never');
  if (isStandIn(element, bytes))
    return make('SERVER_STAND_IN', 'The old server gives a note in place of the message.', 'now');
  return null;
}

function staged(ref: Ref, body: StagedBody, element: XmlElement, head: Uint8Array): ReadOutcome {
  const notes: Note[] = isLocked(element, head) ? [{ code: 'RIGHTS_LOCKED' }] : [];
  return { ref, is: 'staged', item: { ref, body, date: ref.date ?? null, flags: ref.flags ?? [], notes } };
}

async function readLarge(client: EwsClient, ref: Ref, stage: Staging, signal: AbortSignal): Promise<ReadOutcome> {
  let body: StagedBody | null = null;
  let head: Buffer = Buffer.alloc(0);
  const drop = async (): Promise<void> => {
    await body?.release();
    body = null;
  };
  try {
    const got = await client.repeatable(signal, async () => {
      await drop();
      return getLargeMime(client.transport, idOfRef(ref), signal, async (bytes) => {
        head = Buffer.alloc(0);
        body = await stage.put(
          ref,
          watched(bytes, (part) => (head = withMore(head, part))),
        );
      });
    });
    if ('code' in got) return refusalOf(ref, got.code, got.text);
    const whole = body as StagedBody | null;
    const wrong = reasonAgainst(got.element, whole === null ? Buffer.alloc(0) : whole.size > HEAD_BYTES ? LARGE : head);
    if (wrong === null && whole !== null) return staged(ref, whole, got.element, head);
    await drop();
    return { ref, is: 'unreadable', error: wrong ?? make('EMPTY_MESSAGE', 'The message is empty.', 'never') };
  } catch (error) {
    await drop();
    signal.throwIfAborted();
    const about = aboutOne(error);
    if (about === null) throw error;
    return { ref, is: 'unreadable', error: about };
  }
}

/** Stands for a body that is too long to be a note about itself. */
const LARGE = Buffer.alloc(HEAD_BYTES);

async function* watched(bytes: AsyncIterable<Buffer>, see: (part: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const part of bytes) {
    see(part);
    yield part;
  }
}

function withMore(head: Buffer, part: Buffer): Buffer {
  return head.length >= HEAD_BYTES ? head : Buffer.concat([head, part.subarray(0, HEAD_BYTES - head.length)]);
}

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function* batches(refs: readonly Ref[]): Generator<{ batch: Ref[]; large: boolean }> {
  let batch: Ref[] = [];
  let bytes = 0;
  for (const ref of refs) {
    const size = ref.size ?? USUAL_BYTES;
    if (size > BATCH_BYTES) {
      yield { batch: [ref], large: true };
      continue;
    }
    if (batch.length > 0 && (batch.length >= BATCH_ITEMS || bytes + size > BATCH_BYTES)) {
      yield { batch, large: false };
      batch = [];
      bytes = 0;
    }
    batch.push(ref);
    bytes += size;
  }
  if (batch.length > 0) yield { batch, large: false };
}
