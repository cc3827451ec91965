import type { ItemKey } from '../mailbox/item.js';

const FIRST_ROOM = 1_024;
/** Hex digits of eight bytes. */
const HALF = 16;

/** Item keys in eight bytes each. Two long keys may look the same: for what is only told. */
export class KeySet {
  private values = new BigUint64Array(FIRST_ROOM);
  private length = 0;
  private sorted = true;

  add(key: ItemKey): void {
    if (this.length === this.values.length) {
      const larger = new BigUint64Array(this.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = short(key);
    this.sorted = false;
  }

  has(key: ItemKey): boolean {
    if (!this.sorted) this.values.subarray(0, this.length).sort();
    this.sorted = true;
    const value = short(key);
    let [from, to] = [0, this.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.values[middle]! < value) from = middle + 1;
      else to = middle;
    }
    return from < this.length && this.values[from] === value;
  }
}

function short(key: ItemKey): bigint {
  const high = BigInt(`0x${key.slice(0, HALF)}`);
  return key.length > HALF ? high ^ BigInt(`0x${key.slice(HALF)}`) : high;
}
