import { tmpdir } from 'node:os';
import { MessageDigester, type Digested } from '../mailbox/digest.js';
import type { ItemRef, StagedBody, Staging } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { BodyFile } from './body-file.js';
import { Budget } from './budget.js';
import { type Place, Slabs } from './slabs.js';

/** Bodies up to this many bytes are kept in memory: a batch's worth. A file costs a wait for each of its pieces. */
export const IN_MEMORY_BYTES = 4 * 1024 * 1024;
/** Bodies up to this many bytes need not wait for the disk and share their batch with others. */
export const RIDES_ALONG_BYTES = 8 * 1024 * 1024;
/**
 * Memory for bodies in the whole process, over all jobs. Node gives freed buffers back late, so that several times as much
 * is resident; what does not fit goes to a file, which costs little.
 */
export const PROCESS_MEMORY_BYTES = 24 * 1024 * 1024;
/** Disk for bodies in the whole process, unless the operator says otherwise. */
export const PROCESS_DISK_BYTES = 4 * 1024 * 1024 * 1024;
/** A body that waits longer than this for the disk fails for now; another run takes it up. */
const DISK_WAIT_MS = 10 * 60_000;

const processMemory = new Budget(PROCESS_MEMORY_BYTES);
const processDisk = new Budget(PROCESS_DISK_BYTES);

export interface BodyStagingOptions {
  /** Folder for large bodies. Default: the system's temp folder. */
  readonly dir?: string;
  readonly memory?: Budget;
  readonly disk?: Budget;
  readonly inMemoryBytes?: number;
  readonly ridesAlongBytes?: number;
  readonly diskWaitMs?: number;
}

/**
 * Takes whole bodies in: small ones in memory, others in a temp file that has no name any more, so that nothing is
 * left on the disk whatever dies.
 *
 * Nobody may hold one body and wait for another one's room, else two lanes can wait for each other for ever. So a
 * body that shares its batch with others never waits: without room in memory it goes to the disk, over its budget if
 * need be (such a batch is a few MB). A large body waits for the disk, and the engine stages it alone in its batch.
 */
export class BodyStaging implements Staging {
  private readonly dir: string;
  private readonly memory: Budget;
  private readonly disk: Budget;
  private readonly inMemoryBytes: number;
  private readonly diskWaitMs: number;
  private readonly ridesAlongBytes: number;
  private readonly slabs = new Slabs();

  constructor(options: BodyStagingOptions = {}) {
    this.dir = options.dir ?? tmpdir();
    this.memory = options.memory ?? processMemory;
    this.disk = options.disk ?? processDisk;
    this.inMemoryBytes = options.inMemoryBytes ?? IN_MEMORY_BYTES;
    this.diskWaitMs = options.diskWaitMs ?? DISK_WAIT_MS;
    this.ridesAlongBytes = options.ridesAlongBytes ?? RIDES_ALONG_BYTES;
  }

  async put(_ref: ItemRef, bytes: AsyncIterable<Uint8Array>, expected?: number): Promise<StagedBody> {
    const store = new BodyStore(this.dir, this.memory, this.disk, this.inMemoryBytes, this.slabs);
    const digester = new MessageDigester();
    try {
      if (expected !== undefined && expected > this.ridesAlongBytes) await store.waitForDisk(expected, this.diskWaitMs);
      else if (expected !== undefined && expected > this.inMemoryBytes) await store.spill();
      for await (const chunk of bytes) {
        if (chunk.length === 0) continue;
        digester.update(chunk);
        await store.write(chunk);
        if (expected !== undefined && store.size > expected) break;
      }
      await store.complete();
      const digested = digester.end();
      if (expected !== undefined && store.size !== expected) throw lengthMismatch(expected, store.size);
      return new Staged(digested, store);
    } catch (error) {
      await store.release();
      throw error;
    }
  }
}

function lengthMismatch(expected: number, got: number): TransferError {
  return new TransferError(`the item was announced with ${expected} bytes and ${got} came`, {
    side: 'source',
    scope: 'item',
    retry: 'now',
    code: 'LENGTH_MISMATCH',
  });
}

class Staged implements StagedBody {
  readonly size: number;
  readonly digest;
  readonly headerDigest;
  readonly messageId;

  constructor(
    digested: Digested,
    private readonly store: BodyStore,
  ) {
    this.size = digested.size;
    this.digest = digested.digest;
    this.headerDigest = digested.headerDigest;
    this.messageId = digested.messageId;
  }
  open(): AsyncIterable<Uint8Array> {
    return this.store.read();
  }
  release(): Promise<void> {
    return this.store.release();
  }
}

/** The bytes of one body and what they take from the budgets. */
class BodyStore {
  size = 0;
  private places: Place[] = [];
  /** Those who read it from memory. */
  private readers = 0;
  private file: BodyFile | null = null;
  private memoryTaken = 0;
  private diskTaken = 0;
  private released = false;

  constructor(
    private readonly dir: string,
    private readonly memory: Budget,
    private readonly disk: Budget,
    private readonly inMemoryBytes: number,
    private readonly slabs: Slabs,
  ) {}

  async waitForDisk(bytes: number, ms: number): Promise<void> {
    if (!(await this.disk.take(bytes, ms)))
      throw new TransferError('there was no room to hold the item on the way', {
        side: 'destination',
        scope: 'item',
        retry: 'later',
        code: 'STAGING_FULL',
      });
    this.diskTaken = bytes;
    this.file = await BodyFile.create(this.dir);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (!this.file && (this.size + chunk.length > this.inMemoryBytes || !this.memory.tryTake(chunk.length)))
      await this.spill();
    if (this.file) {
      this.size += chunk.length;
      if (this.size > this.diskTaken) {
        this.disk.force(this.size - this.diskTaken);
        this.diskTaken = this.size;
      }
      await this.file.add(chunk);
      return;
    }
    this.memoryTaken += chunk.length;
    this.size += chunk.length;
    // Copied: what came over the wire would live on with the body, and the garbage collector would run after it.
    this.slabs.add(this.places, chunk);
  }

  /** From here on into a file. */
  async spill(): Promise<void> {
    this.file = await BodyFile.create(this.dir);
    this.disk.force(this.size);
    this.diskTaken = this.size;
    for (const place of this.places) await this.file.add(bytesAt(place));
    this.forget();
    this.memory.free(this.memoryTaken);
    this.memoryTaken = 0;
  }

  async complete(): Promise<void> {
    await this.file?.flush();
  }

  async *read(): AsyncIterable<Uint8Array> {
    if (this.released) throw new Error('the staged body was released');
    if (!this.file) {
      yield* this.fromMemory();
      return;
    }
    yield* this.file.read(this.size);
  }

  /** Whoever has begun to read may end: until then nobody else writes there. */
  private async *fromMemory(): AsyncIterable<Uint8Array> {
    this.readers++;
    try {
      for (const place of this.places) yield bytesAt(place);
    } finally {
      this.readers--;
      if (this.released) this.forget();
    }
  }

  private forget(): void {
    if (this.readers > 0) return;
    this.slabs.free(this.places);
    this.places = [];
  }

  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    this.forget();
    this.memory.free(this.memoryTaken);
    this.disk.free(this.diskTaken);
    await this.file?.close();
  }
}

const bytesAt = ({ slab, start, end }: Place): Uint8Array => slab.bytes.subarray(start, end);
