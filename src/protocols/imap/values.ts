import { ImapFailure } from './failure.js';
import type { Value } from './parse.js';

export function asNumber(value: Value | undefined): number | null {
  if (typeof value !== 'string' || !/^\d{1,20}$/.test(value)) return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : null;
}

export function asList(value: Value | undefined): readonly Value[] {
  return Array.isArray(value) ? (value as readonly Value[]) : [];
}

export function asString(value: Value | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

export function strings(values: readonly Value[]): string[] {
  return values.filter((value): value is string => typeof value === 'string');
}

/** A flat list of names and values (FETCH, STATUS) by upper-case name. */
export function pairs(value: Value | undefined): Map<string, Value> {
  if (!Array.isArray(value)) throw new ImapFailure('protocol', 'the server sent no list where one is due');
  const list = value as readonly Value[];
  const map = new Map<string, Value>();
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = list[i];
    if (typeof name !== 'string') throw new ImapFailure('protocol', 'the server sent no name where one is due');
    map.set(name.toUpperCase(), list[i + 1]!);
  }
  return map;
}
