import { BufferPool } from '../mailbox/buffer-pool.js';

const SLAB_BYTES = 256 * 1024;
/** Kept while nothing is on its way; the memory for bodies is bounded elsewhere (Budget). */
const KEPT = 96;
const pool = new BufferPool(SLAB_BYTES, KEPT);

interface Slab {
  readonly bytes: Buffer;
  filled: number;
  /** Bodies with bytes in it. */
  bodies: number;
}

/** Where the bytes of a body lie. */
export interface Place {
  readonly slab: Slab;
  readonly start: number;
  readonly end: number;
}

/** Room for small bodies, one after the other in buffers of one length. A buffer is used again when all its bodies are gone. */
export class Slabs {
  private current: Slab | null = null;

  /** Copies bytes behind what a body has there already: mostly no more than a longer last place. */
  add(places: Place[], chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const slab = this.withRoom();
      const part = chunk.subarray(at, at + SLAB_BYTES - slab.filled);
      const start = slab.filled;
      slab.bytes.set(part, start);
      slab.filled += part.length;
      at += part.length;
      const last = places.at(-1);
      if (last?.slab === slab && last.end === start) {
        places[places.length - 1] = { ...last, end: slab.filled };
        continue;
      }
      if (!places.some((place) => place.slab === slab)) slab.bodies++;
      places.push({ slab, start, end: slab.filled });
    }
  }

  /** Of one body that nobody reads any more. */
  free(places: readonly Place[]): void {
    for (const slab of new Set(places.map((place) => place.slab))) {
      if (--slab.bodies > 0) continue;
      if (slab === this.current) slab.filled = 0;
      else pool.give(slab.bytes);
    }
  }

  private withRoom(): Slab {
    if (this.current !== null && this.current.filled < SLAB_BYTES) return this.current;
    return (this.current = { bytes: pool.take(), filled: 0, bodies: 0 });
  }
}
