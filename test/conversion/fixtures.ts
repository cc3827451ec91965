import { isRefused, type Preparation, type PreparedObject, type TargetProfile } from '../../src/conversion/prepared.js';
import { prepareForStore, type ObjectFormat, type Prepared } from '../../src/conversion/prepare.js';
import { targetProfile } from '../../src/conversion/target-profiles.js';

export const CYRUS = targetProfile('Cyrus/3.6.1');
export const RADICALE = targetProfile('Radicale/3.1.8');
export const UNKNOWN = targetProfile(undefined);

/** Lines as a calendar that is right but for them; `\n` in a line is a line end. */
export function calendar(...lines: readonly string[]): Buffer {
  return text('BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//old//EN', ...lines, 'END:VCALENDAR');
}

/** An event that is right, with more lines. */
export function event(...lines: readonly string[]): Buffer {
  return calendar(
    'BEGIN:VEVENT',
    'UID:one@old.test',
    'DTSTAMP:20240101T000000Z',
    ...(lines.some((line) => line.startsWith('DTSTART')) ? [] : ['DTSTART:20250110T090000Z', 'DURATION:PT1H']),
    ...lines,
    'END:VEVENT',
  );
}

export function card(version: string, ...lines: readonly string[]): Buffer {
  return text('BEGIN:VCARD', `VERSION:${version}`, ...lines, 'END:VCARD');
}

export function text(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'utf8');
}

export function accepted(
  preparation: Preparation<Prepared>,
): PreparedObject<Prepared['component']> & { also: readonly Prepared[] } {
  if (isRefused(preparation)) throw new Error(preparation.refused);
  return preparation;
}

export interface Result {
  /** Unfolded lines. */
  readonly lines: string[];
  readonly uid: string;
  readonly codes: string[];
  readonly notes: Record<string, string | undefined>;
  readonly also: readonly Prepared[];
}

export function prepare(format: ObjectFormat, bytes: Uint8Array, target: TargetProfile = UNKNOWN, copy = 0): Result {
  return result(accepted(prepareForStore(format, bytes, target, copy)));
}

export function result(one: Prepared & { also?: readonly Prepared[] }): Result {
  return {
    lines: linesOf(one.bytes),
    uid: one.uid,
    codes: one.notes.map(({ code }) => code),
    notes: Object.fromEntries(one.notes.map(({ code, detail }) => [code, detail])),
    also: one.also ?? [],
  };
}

export function linesOf(bytes: Uint8Array): string[] {
  return Buffer.from(bytes).toString('utf8').replace(/\r\n /g, '').split('\r\n').slice(0, -1);
}

/** Without SCHEDULE-AGENT, which all of them get. */
export const find = (lines: readonly string[], name: string): string[] =>
  lines.filter((line) => line.startsWith(`${name}:`) || line.startsWith(`${name};`) || line.includes(`.${name}`));
