import { ImapFailure } from './failure.js';
import { MAX_SET_LENGTH } from './limits.js';

export const MAX_UID = 0xffff_ffff;

export function isUid(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MAX_UID;
}

/** Ascending numbers as sets, each short enough for one command. Neighbours become ranges; nothing else is named. */
export function toSequenceSets(ascending: readonly number[], maxLength = MAX_SET_LENGTH): string[] {
  const sets: string[] = [];
  let set = '';
  for (let i = 0; i < ascending.length;) {
    const first = ascending[i]!;
    let last = first;
    while (++i < ascending.length && ascending[i]! <= last + 1) last = ascending[i]!;
    const range = first === last ? String(first) : `${first}:${last}`;
    if (set !== '' && set.length + 1 + range.length > maxLength) {
      sets.push(set);
      set = '';
    }
    set += set === '' ? range : `,${range}`;
  }
  if (set !== '') sets.push(set);
  return sets;
}

/** The numbers of a set without `*`, in its own order. @throws ImapFailure when there are more than `max`. */
export function expandSequenceSet(set: string, max: number): number[] {
  const numbers: number[] = [];
  for (const range of set.split(',')) {
    const match = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(range);
    if (match === null) throw new ImapFailure('protocol', 'the server sent a number set that is none');
    const a = Number(match[1]);
    const b = match[2] === undefined ? a : Number(match[2]);
    if (numbers.length + Math.abs(b - a) + 1 > max) {
      throw new ImapFailure('protocol', 'the server named more messages than there are');
    }
    for (let n = Math.min(a, b); n <= Math.max(a, b); n++) numbers.push(n);
  }
  return numbers;
}
