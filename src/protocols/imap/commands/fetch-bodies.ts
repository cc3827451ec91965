import type { ImapConnection } from '../connection.js';
import type { DataResponse, StatusResponse } from '../pending.js';
import type { LiteralTaker } from '../response-reader.js';
import { ImapFailure } from '../failure.js';
import type { Value } from '../parse.js';
import { Streamed } from '../parse.js';
import { toSequenceSets } from '../sequence-set.js';
import { asNumber, pairs } from '../values.js';

/** Which part of the messages. Always PEEK: nothing becomes \Seen. */
export type Section = '' | 'HEADER' | `HEADER.FIELDS (${string})`;

export interface BodyReceiver<T> {
  /**
   * Takes a body while it arrives; called for each message at most once. Rejecting ends the connection.
   * @throws ImapFailure 'too-large' to refuse it, which ends the connection too.
   */
  take(uid: number, size: number, bytes: AsyncIterable<Uint8Array>): Promise<T>;
  /** The whole answer was well-formed: the body is what the server meant. `told` is all it said, by upper-case name. */
  done(uid: number, taken: T, told: ReadonlyMap<string, Value>): void;
  /** The connection ended before done(): the body must not be used. */
  discard(taken: T): void;
}

/** Bodies that came as quoted strings instead of literals: bytes kept of one command. */
const MAX_QUOTED_BYTES = 4 * 1024 * 1024;
/** Bytes thrown away when a server tells the UID too late. */
const MAX_DRAINED_BYTES = 256 * 1024 * 1024;

/**
 * Streams one section of each message of an ascending UID list. The slower the receiver, the slower the server.
 * Messages that the server leaves out are simply not done. @throws ImapFailure; what the receiver threw.
 */
export async function fetchBodies<T>(
  connection: ImapConnection,
  uids: readonly number[],
  section: Section,
  receiver: BodyReceiver<T>,
): Promise<void> {
  if (uids.length > 1 && connection.uidAfterBody) {
    for (const uid of uids) await fetchSet(connection, [uid], section, receiver);
    return;
  }
  const left = new Set(uids);
  const noting: BodyReceiver<T> = {
    take: (uid, size, bytes) => receiver.take(uid, size, bytes),
    done: (uid, taken, told) => {
      left.delete(uid);
      receiver.done(uid, taken, told);
    },
    discard: (taken) => receiver.discard(taken),
  };
  await fetchSet(connection, uids, section, noting);
  if (connection.uidAfterBody && uids.length > 1) await fetchBodies(connection, [...left], section, receiver);
}

async function fetchSet<T>(
  connection: ImapConnection,
  uids: readonly number[],
  section: Section,
  receiver: BodyReceiver<T>,
): Promise<void> {
  const collector = new Collector(connection, uids, receiver);
  const hooks = {
    onLiteral: (prefix: readonly Value[], size: number) => collector.onLiteral(prefix, size),
    onUntagged: (response: DataResponse | StatusResponse) => collector.onUntagged(response),
  };
  const sets = toSequenceSets(uids);
  try {
    await settled(
      sets.map((set) => connection.command(`UID FETCH ${set} (UID FLAGS INTERNALDATE BODY.PEEK[${section}])`, hooks)),
    );
  } finally {
    collector.close();
  }
  await collector.takeQuoted();
}

/** Waits for all, so that nobody is called back after the end; then throws the first error. */
async function settled(promises: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

class Collector<T> {
  private readonly wanted: Set<number>;
  private current: { uid: number; taken: T } | null = null;
  private quoted: { uid: number; bytes: Buffer; told: ReadonlyMap<string, Value> }[] = [];
  private quotedBytes = 0;
  private closed = false;

  constructor(
    private readonly connection: ImapConnection,
    uids: readonly number[],
    private readonly receiver: BodyReceiver<T>,
  ) {
    this.wanted = new Set(uids);
  }

  onLiteral(prefix: readonly Value[], size: number): LiteralTaker | null {
    const [, verb, list] = prefix;
    if (typeof verb !== 'string' || verb.toUpperCase() !== 'FETCH' || !Array.isArray(list)) return null;
    const items = list as readonly Value[];
    if (!isSection(items.at(-1))) return null;
    const uid = this.uidOf(items);
    if (uid === null) {
      // Without knowing whose body this is it cannot be taken; from now on they are asked for one by one.
      this.connection.uidAfterBody = true;
      if (size > MAX_DRAINED_BYTES) throw new ImapFailure('too-large', 'the server sent a huge body without its UID');
      return async () => undefined;
    }
    if (!this.wanted.has(uid) || this.current !== null) return null;
    return async (bytes) => {
      const taken = await this.receiver.take(uid, size, bytes);
      // The connection may have ended while the receiver was still at work.
      if (this.closed) this.receiver.discard(taken);
      else this.current = { uid, taken };
    };
  }

  private uidOf(items: readonly Value[]): number | null {
    for (let i = 0; i + 1 < items.length; i += 2) {
      const name = items[i];
      if (typeof name === 'string' && name.toUpperCase() === 'UID') return asNumber(items[i + 1]);
    }
    return this.wanted.size === 1 ? [...this.wanted][0]! : null;
  }

  onUntagged(response: DataResponse | StatusResponse): boolean {
    if (response.is !== 'data' || response.name !== 'FETCH') return false;
    const told = pairs(response.values[0]);
    const uid = asNumber(told.get('UID'));
    const body = [...told].find(([name]) => isSection(name))?.[1];
    if (body === undefined || body === null) return false;
    if (body instanceof Streamed) {
      const { current } = this;
      this.current = null;
      if (current === null) return uid === null || this.wanted.has(uid);
      if (uid !== null && uid !== current.uid) {
        this.receiver.discard(current.taken);
        throw new ImapFailure('protocol', 'the server sent the body of another message');
      }
      this.wanted.delete(current.uid);
      this.receiver.done(current.uid, current.taken, told);
      return true;
    }
    if (uid === null || !this.wanted.delete(uid) || typeof body !== 'string') return false;
    this.quotedBytes += body.length;
    if (this.quotedBytes > MAX_QUOTED_BYTES) {
      throw new ImapFailure('too-large', 'the server sent too many bodies in one answer');
    }
    this.quoted.push({ uid, bytes: Buffer.from(body, 'latin1'), told });
    return true;
  }

  /** Quoted bodies are short and rare: handed on when the command is over. */
  async takeQuoted(): Promise<void> {
    for (const { uid, bytes, told } of this.quoted) {
      const taken = await this.receiver.take(uid, bytes.length, once(bytes));
      this.receiver.done(uid, taken, told);
    }
  }

  close(): void {
    this.closed = true;
    if (this.current !== null) this.receiver.discard(this.current.taken);
    this.current = null;
  }
}

function isSection(value: Value | undefined): boolean {
  return typeof value === 'string' && /^BODY\[/i.test(value);
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
