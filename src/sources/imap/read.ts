import { setTimeout as pause } from 'node:timers/promises';
import type { ItemMeta, ItemRef, ReadOutcome, StagedBody, Staging, ZonedDate } from '../../mailbox/item.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { type BodyReceiver, fetchBodies } from '../../protocols/imap/commands/fetch-bodies.js';
import { fetchExisting } from '../../protocols/imap/commands/fetch-metadata.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { ImapFailure, isRefusal } from '../../protocols/imap/failure.js';
import { parseInternalDate } from '../../protocols/imap/internal-date.js';
import type { Value } from '../../protocols/imap/parse.js';
import { toSequenceSets } from '../../protocols/imap/sequence-set.js';
import { throttled } from '../../protocols/imap/transfer-errors.js';
import { asList, asString, strings } from '../../protocols/imap/values.js';
import { itemRef, parseKey } from './keys.js';
import { OutcomeChannel } from './outcome-channel.js';
import type { ImapSession } from '../../protocols/imap/session.js';

/** Fresh connections a single message gets before it is called unreadable. */
const TRIES = 3;
const PAUSE_MS = 300;
/** Messages in a row that broke the connection: it is the server, not they. */
const BROKEN_IN_A_ROW = 3;
/** Exchange's stand-in for a message it cannot show is about this small (pitfall 61). */
const STAND_IN_BYTES = 8 * 1024;
const STAND_IN = /^Subject: Retrieval using the IMAP4 protocol failed for the following message/im;

export interface ReadOptions {
  readonly maxMessageBytes: number;
}

/**
 * Bodies of one folder, staged whole. One FETCH for all; when the server refuses or breaks, ever smaller pieces, each on a
 * fresh connection, until the message that is to blame stands alone; the others are not held up by it.
 */
export async function* readBodies(
  session: ImapSession,
  raw: string,
  refs: readonly ItemRef[],
  stage: Staging,
  options: ReadOptions,
  signal: AbortSignal,
): AsyncGenerator<ReadOutcome> {
  const stop = new AbortController();
  const channel = new OutcomeChannel<ReadOutcome>();
  const either = AbortSignal.any([signal, stop.signal]);
  const reading = new Reading(session, raw, refs, stage, options, channel, either)
    .all()
    .then(() => channel.close())
    .catch((error: unknown) => channel.fail(signal.aborted ? signal.reason : error));
  try {
    yield* channel;
  } finally {
    stop.abort(new Error('nobody reads on'));
    await reading;
    for (const outcome of channel.rest()) if (outcome.is === 'staged') await outcome.item.body.release();
  }
}

type Taken = { body: StagedBody } | { error: TransferError };

class Reading {
  private readonly left = new Map<number, ItemRef>();
  private readonly strikes = new Map<number, number>();
  private readonly uidValidity: number;
  private refusedSize: number | null = null;
  private brokenInARow = 0;

  constructor(
    private readonly session: ImapSession,
    private readonly raw: string,
    refs: readonly ItemRef[],
    private readonly stage: Staging,
    private readonly options: ReadOptions,
    private readonly channel: OutcomeChannel<ReadOutcome>,
    private readonly signal: AbortSignal,
  ) {
    const keys = refs.map((ref) => ({ ref, ...parseKey(ref.key) })).sort((a, b) => a.uid - b.uid);
    this.uidValidity = keys[0]?.uidValidity ?? 0;
    for (const { ref, uid, uidValidity } of keys) {
      if (uidValidity !== this.uidValidity) throw new Error('keys of two UIDVALIDITYs in one batch');
      this.left.set(uid, ref);
    }
  }

  async all(): Promise<void> {
    let size = this.left.size;
    while (this.left.size > 0) {
      const uids = [...this.left.keys()].slice(0, size);
      const before = this.left.size;
      const trouble = await this.some(uids);
      const progress = this.left.size < before;
      if (trouble === null) {
        this.brokenInARow = 0;
        size = Math.min(this.left.size, size * 2);
        continue;
      }
      if (progress) this.brokenInARow = 0;
      if (uids.length > 1) {
        size = Math.max(1, Math.floor((progress ? uids.length - (before - this.left.size) : uids.length) / 2));
        continue;
      }
      this.strike(uids[0]!, trouble);
      if (this.brokenInARow >= BROKEN_IN_A_ROW) throw this.session.toError(trouble);
      await pause(PAUSE_MS, undefined, { signal: this.signal });
    }
  }

  /** Null: all of them have an outcome. Else what stood in the way, worth another try in smaller pieces. */
  private async some(uids: readonly number[]): Promise<ImapFailure | null> {
    const { connection, release } = await this.session.pool.take(this.signal, this.raw);
    try {
      const opening = this.session.opening(connection, this.raw, this.uidValidity);
      if (this.session.traits.numbersByStatusOnly !== false) await opening;
      // The bodies are asked for before the answer, and taken after it.
      const [opened, fetched] = await Promise.allSettled([
        opening,
        fetchBodies(connection, uids, '', this.receiver(opening)),
      ]);
      if (opened.status === 'rejected') throw opened.reason;
      if (fetched.status === 'rejected') throw fetched.reason;
      const missing = uids.filter((uid) => this.left.has(uid));
      if (missing.length === 0) return null;
      return await this.explain(connection, missing);
    } catch (error) {
      if (this.signal.aborted) throw this.signal.reason;
      if (!(error instanceof ImapFailure)) throw this.session.toError(error);
      if (error.kind === 'too-large' && this.refusedSize !== null) return this.refuseSize(this.refusedSize);
      const wait = throttled(error, { side: 'source' });
      if (wait !== null) throw wait;
      // The next try gets a connection that has not seen this.
      connection.destroy();
      return error;
    } finally {
      release();
    }
  }

  /** @param opening that of the folder: nothing is taken before it has resolved. */
  private receiver(opening: Promise<unknown>): BodyReceiver<Taken> {
    return {
      take: async (uid, size, bytes) => {
        await opening;
        if (size > this.options.maxMessageBytes) {
          this.refusedSize = uid;
          throw new ImapFailure('too-large', `the server announced a message of ${size} bytes`);
        }
        return this.take(uid, size, bytes);
      },
      done: (uid, taken, told) => void this.done(uid, taken, told),
      discard: (taken) => {
        if ('body' in taken) void taken.body.release();
      },
    };
  }

  private async take(uid: number, size: number, bytes: AsyncIterable<Uint8Array>): Promise<Taken> {
    try {
      const body = await this.stage.put(itemRef(this.uidValidity, uid), bytes, size);
      if (body.size > STAND_IN_BYTES || !(await isStandIn(body))) return { body };
      await body.release();
      return { error: itemError('SERVER_STAND_IN', 'The old server gives a note in place of the message.') };
    } catch (error) {
      if (error instanceof ImapFailure) throw error;
      if (!(error instanceof TransferError)) throw stagingFailed(error);
      // No room to hold it is this item's trouble only.
      if (error.scope === 'item' && error.code !== 'LENGTH_MISMATCH') return { error };
      throw error;
    }
  }

  private done(uid: number, taken: Taken, told: ReadonlyMap<string, Value>): void {
    const ref = this.left.get(uid);
    if (ref === undefined) {
      if ('body' in taken) void taken.body.release();
      return;
    }
    if ('error' in taken) return this.settle(uid, { ref, is: 'unreadable', error: taken.error });
    const { body } = taken;
    if (body.size === 0) {
      void body.release();
      return this.settle(uid, { ref, is: 'unreadable', error: itemError('EMPTY_MESSAGE', 'The message is empty.') });
    }
    const item = { ref, body, date: dateOf(ref, told), flags: flagsOf(ref, told), notes: [] };
    this.left.delete(uid);
    this.channel.push({ ref, is: 'staged', item });
  }

  private settle(uid: number, outcome: ReadOutcome): void {
    this.left.delete(uid);
    this.channel.push(outcome);
  }

  /** The server said OK and left some out: they are gone, or it cannot show them. */
  private async explain(connection: ImapConnection, missing: readonly number[]): Promise<ImapFailure | null> {
    const there = new Set<number>();
    for (const set of toSequenceSets(missing)) {
      for (const uid of await fetchExisting(connection, set)) there.add(uid);
    }
    for (const uid of missing) {
      if (!there.has(uid)) this.settle(uid, { ref: this.left.get(uid)!, is: 'vanished' });
    }
    if (there.size === 0) return null;
    connection.destroy();
    return new ImapFailure('refused', 'the server lists the message and does not send it');
  }

  private refuseSize(uid: number): null {
    this.refusedSize = null;
    const ref = this.left.get(uid);
    const error = itemError('MESSAGE_TOO_LARGE', 'The message is larger than can be moved.');
    if (ref !== undefined) this.settle(uid, { ref, is: 'unreadable', error });
    return null;
  }

  private strike(uid: number, trouble: ImapFailure): void {
    const strikes = (this.strikes.get(uid) ?? 0) + 1;
    this.strikes.set(uid, strikes);
    const ref = this.left.get(uid);
    if (strikes < TRIES || ref === undefined) return;
    if (!isRefusal(trouble)) this.brokenInARow++;
    if (this.brokenInARow >= BROKEN_IN_A_ROW) return;
    const error =
      trouble.kind === 'too-large'
        ? itemError('MESSAGE_TOO_LARGE', 'The message is larger than can be moved.')
        : itemError('UNREADABLE', 'The old server does not give this message out.', trouble);
    this.settle(uid, { ref, is: 'unreadable', error });
  }
}

function itemError(code: string, message: string, cause?: ImapFailure): TransferError {
  return new TransferError(message, {
    side: 'source',
    scope: 'item',
    retry: cause === undefined ? 'never' : 'later',
    code,
    serverText: cause?.serverText,
    cause,
  });
}

function dateOf(ref: ItemRef, told: ReadonlyMap<string, Value>): ZonedDate | null {
  const date = asString(told.get('INTERNALDATE'));
  return (date === null ? null : parseInternalDate(date)) ?? (ref as Partial<ItemMeta>).date ?? null;
}

function flagsOf(ref: ItemRef, told: ReadonlyMap<string, Value>): readonly string[] {
  const flags = told.get('FLAGS');
  if (flags === undefined) return (ref as Partial<ItemMeta>).flags ?? [];
  return strings(asList(flags)).filter((flag) => flag.toLowerCase() !== '\\recent');
}

async function isStandIn(body: StagedBody): Promise<boolean> {
  const parts: Uint8Array[] = [];
  for await (const part of body.open()) parts.push(part);
  return STAND_IN.test(Buffer.concat(parts).toString('latin1'));
}

function stagingFailed(cause: unknown): TransferError {
  return new TransferError('The message could not be held on the way.', {
    side: 'source',
    scope: 'job',
    retry: 'later',
    code: 'STAGING_FAILED',
    cause,
  });
}
