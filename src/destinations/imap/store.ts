import type { DestinationFolder } from '../../mailbox/folder.js';
import type { Note } from '../../mailbox/item.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import {
  append,
  type Appended,
  type AppendMessage,
  type AppendWatch,
  CommitRefused,
} from '../../protocols/imap/commands/append.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { ImapFailure, isRefusal } from '../../protocols/imap/failure.js';
import { isCyrus } from '../../protocols/imap/traits.js';
import { toTransferError } from '../../protocols/imap/transfer-errors.js';
import type { PlacedItem, StoreOutcome } from '../destination.js';
import { appendRefusal } from './append-errors.js';
import { fitDate } from './dates.js';
import { fitFlags } from './flags.js';

/** One MULTIAPPEND: larger ones save nothing more (measured) and lose more when they fail. */
const BATCH_BYTES = 16 * 1024 * 1024;
const BATCH_ITEMS = 1_000;
/** Single APPENDs under way at once. */
const PIPELINED = 16;

export interface StoreContext {
  readonly folder: DestinationFolder;
  readonly permanentFlags: readonly string[] | null;
  readonly maxBytes: number | null;
  readonly mayCommit: () => boolean;
  readonly signal: AbortSignal;
  /** Keys that were in a batch that ended badly: they go alone. */
  readonly suspects: Set<string>;
}

interface Prepared {
  readonly item: PlacedItem;
  readonly message: AppendMessage;
  readonly notes: readonly Note[];
}

/**
 * One outcome for each item. NO: nothing of the command was stored, so a refused batch is halved until the one to blame is
 * alone. OK: stored. Anything else after the first byte of a message: unknown, and nothing more is begun, so that the
 * caller can look.
 * @throws TransferError after the last outcome, when the server wants us to wait.
 */
export async function* storeItems(
  connection: ImapConnection,
  items: readonly PlacedItem[],
  context: StoreContext,
): AsyncGenerator<StoreOutcome> {
  const ready: Prepared[] = [];
  for (const item of items) {
    const error = refusedUnseen(item, context.maxBytes);
    if (error !== null) yield { key: item.ref.key, is: 'refused', error };
    else ready.push(await prepare(item, context.permanentFlags, isCyrus(connection)));
  }
  const storing = new Storing(connection, context);
  for (const batch of batches(ready, connection, context.suspects)) {
    yield* batch.atomic ? storing.atomically(batch.items) : storing.oneByOne(batch.items);
  }
  if (storing.unheard !== null) throw storing.unheard;
}

function refusedUnseen({ body }: PlacedItem, maxBytes: number | null): TransferError | null {
  const refuse = (code: string, message: string): TransferError =>
    new TransferError(message, { side: 'destination', scope: 'item', retry: 'never', code });
  if (body.size === 0) return refuse('EMPTY_MESSAGE', 'The message is empty.');
  if (maxBytes === null || body.size <= maxBytes) return null;
  return refuse('MESSAGE_TOO_LARGE', 'The message is larger than the new mail server takes.');
}

/** Bytes of a header that are looked at. */
const HEADER_LOOKED_AT = 256 * 1024;

/** Cyrus takes a header with bytes above 127 and stores an X for each, unless it is told not to (munge8bit). */
async function hasEightBitHeader({ body }: PlacedItem): Promise<boolean> {
  let seen = 0;
  let previous = 0x0a;
  let beforeIt = 0;
  for await (const piece of body.open()) {
    for (const byte of piece) {
      if (byte >= 0x80) return true;
      if (byte === 0x0d) continue;
      if (byte === 0x0a && previous === 0x0a && beforeIt !== 0) return false;
      beforeIt = previous;
      previous = byte;
    }
    seen += piece.length;
    if (seen > HEADER_LOOKED_AT) return false;
  }
  return false;
}

async function prepare(
  item: PlacedItem,
  permanentFlags: readonly string[] | null,
  replacesEightBit: boolean,
): Promise<Prepared> {
  const { flags, notes } = fitFlags(item.flags, permanentFlags);
  const { date, notes: dateNotes } = fitDate(item.date);
  const message = { size: item.body.size, flags, date, open: () => item.body.open() };
  const header: Note[] = replacesEightBit && (await hasEightBitHeader(item)) ? [{ code: 'EIGHT_BIT_HEADER' }] : [];
  return { item, message, notes: [...notes, ...dateNotes, ...header] };
}

/** RFC 3502 batches where the server offers them without a round trip for each message. */
function batches(
  ready: readonly Prepared[],
  connection: ImapConnection,
  suspects: ReadonlySet<string>,
): { atomic: boolean; items: Prepared[] }[] {
  const plan: { atomic: boolean; items: Prepared[] }[] = [];
  const canBatch = connection.has('MULTIAPPEND') && connection.has('LITERAL+');
  let bytes = 0;
  for (const one of ready) {
    const atomic = canBatch && !suspects.has(one.item.ref.key);
    const last = plan.at(-1);
    const full = atomic && (bytes + one.message.size > BATCH_BYTES || (last?.items.length ?? 0) >= BATCH_ITEMS);
    if (last === undefined || last.atomic !== atomic || full) {
      plan.push({ atomic, items: [one] });
      bytes = one.message.size;
    } else {
      last.items.push(one);
      bytes += one.message.size;
    }
  }
  return plan;
}

class Storing {
  /** Set when nothing more may be begun: every later item is refused with it. */
  private halt: TransferError | null = null;
  /** The server wants us to wait, and all that it said this of is unknown: no outcome tells it. */
  unheard: TransferError | null = null;

  constructor(
    private readonly connection: ImapConnection,
    private readonly context: StoreContext,
  ) {}

  async *atomically(batch: readonly Prepared[]): AsyncGenerator<StoreOutcome> {
    if (this.halted()) return yield* this.refuseAll(batch);
    const result = await this.append(batch);
    if (result.is === 'refused' && batch.length > 1 && result.error.scope !== 'connection' && !isWait(result.error)) {
      const half = Math.ceil(batch.length / 2);
      yield* this.atomically(batch.slice(0, half));
      yield* this.atomically(batch.slice(half));
      return;
    }
    yield* this.outcomes(batch, result);
  }

  async *oneByOne(items: readonly Prepared[]): AsyncGenerator<StoreOutcome> {
    const underWay: { one: Prepared; result: Promise<Result> }[] = [];
    for (const one of items) {
      if (underWay.length >= PIPELINED) yield* this.next(underWay);
      if (this.halted()) {
        while (underWay.length > 0) yield* this.next(underWay);
        yield* this.refuseAll([one]);
        continue;
      }
      underWay.push({ one, result: this.append([one]) });
    }
    while (underWay.length > 0) yield* this.next(underWay);
  }

  private async *next(underWay: { one: Prepared; result: Promise<Result> }[]): AsyncGenerator<StoreOutcome> {
    const { one, result } = underWay.shift()!;
    yield* this.outcomes([one], await result);
  }

  private halted(): boolean {
    if (this.halt === null && this.context.signal.aborted) this.halt = error('connection', 'later', 'STOPPED');
    if (this.halt === null && !this.context.mayCommit()) this.halt = error('connection', 'later', 'LEASE_ENDING');
    return this.halt !== null;
  }

  private async append(batch: readonly Prepared[]): Promise<Result> {
    const { folder, mayCommit, suspects } = this.context;
    const watch: AppendWatch = { mayCommit, begun: false };
    try {
      const messages = batch.map(({ message }) => message);
      return { is: 'stored', at: (await append(this.connection, folder.name, messages, watch)).at };
    } catch (failure) {
      if (failure instanceof CommitRefused) {
        this.halt ??= error('connection', 'later', 'LEASE_ENDING');
        return { is: 'refused', error: this.halt };
      }
      if (isRefusal(failure)) return { is: 'refused', error: appendRefusal(failure, folder.name === 'INBOX') };
      // The connection is gone: nothing more is begun here.
      const told = toTransferError(failure, { side: 'destination' });
      const says = told.scope === 'connection' || isWait(told);
      this.halt ??= says ? told : error('connection', 'now', 'DESTINATION_UNAVAILABLE', failure);
      if (!watch.begun) return { is: 'refused', error: this.halt };
      if (isWait(told)) this.unheard ??= told;
      for (const { item } of batch) suspects.add(item.ref.key);
      return isFinal(failure, batch) ? { is: 'refused', error: told } : { is: 'unknown' };
    }
  }

  private *outcomes(batch: readonly Prepared[], result: Result): Generator<StoreOutcome> {
    // What concerns the whole account or folder will meet the next item too.
    if (result.is === 'refused' && result.error.scope !== 'item') this.halt ??= result.error;
    for (const [i, { item, notes }] of batch.entries()) {
      const { key } = item.ref;
      if (result.is === 'unknown') yield { key, is: 'unknown' };
      else if (result.is === 'refused') yield { key, is: 'refused', error: result.error };
      else {
        const { at } = result;
        const id = at === null ? null : { epoch: String(at.uidValidity), id: String(at.uids[i]) };
        yield { key, is: 'stored', id, notes };
      }
    }
  }

  private *refuseAll(items: readonly Prepared[]): Generator<StoreOutcome> {
    for (const { item } of items) yield { key: item.ref.key, is: 'refused', error: this.halt! };
  }
}

type Result =
  | { readonly is: 'stored'; readonly at: Appended['at'] }
  | { readonly is: 'refused'; readonly error: TransferError }
  | { readonly is: 'unknown' };

/** A wait is not the batch's fault: halving it would only ask more often. */
function isWait(error: TransferError): boolean {
  return error.retry === 'later' && error.scope === 'account';
}

/** Our own staging broke: the message was never complete, so it was not stored. */
function isFinal(failure: unknown, batch: readonly Prepared[]): boolean {
  return batch.length > 0 && !(failure instanceof ImapFailure);
}

function error(
  scope: TransferError['scope'],
  retry: TransferError['retry'],
  code: string,
  cause?: unknown,
): TransferError {
  return new TransferError('The messages were not sent.', { side: 'destination', scope, retry, code, cause });
}
