import type { Digest } from '../mailbox/digest.js';
import type { FolderId } from '../mailbox/folder.js';
import type { ItemKey, ZonedDate } from '../mailbox/item.js';
import type { Binding, BindingState, ItemPlace } from './ledger.js';

/** Larger announcements are a server's nonsense; ten million of these still fit a bigint sum. */
const MAX_SIZE = 2 ** 36;
/** Seconds of 0001-01-01 and 9999-12-31: what a timestamptz and everybody's calendar can show. */
const FIRST_SECOND = -62_135_596_800;
const LAST_SECOND = 253_402_300_799;
const MINUTES_A_DAY = 1_440;
/** Characters of one text that a server chose. */
const MAX_TEXT = 2_000;
/** Characters of a remark's detail: it is part of an index, whose entries are limited to some 2,700 bytes. */
const MAX_DETAIL = 300;

/** Postgres' text holds no NUL, and UTF-8 no half of a surrogate pair: as they come back, so they are compared. */
export function clean(text: string): string {
  return text.replace(/\0|\p{Surrogate}/gu, (c) => (c === '\0' ? '' : '\ufffd'));
}

/** For texts that only people read. */
export function shortText(text: string): string {
  return clean(text.slice(0, MAX_TEXT));
}

export function detailText(text: string): string {
  return clean(text.slice(0, MAX_DETAIL));
}

export function sizeColumn(size: number): number {
  return Number.isFinite(size) ? Math.min(Math.max(Math.trunc(size), 0), MAX_SIZE) : 0;
}

/** A sum of sizes as a server announced them. */
export function sumColumn(sum: number): number {
  return Number.isFinite(sum) ? Math.min(Math.max(Math.trunc(sum), 0), Number.MAX_SAFE_INTEGER) : 0;
}

/** A key or digest as a bytea parameter. */
export function hex(value: string): string {
  return `\\x${value}`;
}

/** One row's text[] as a text, for unnest(), which would flatten an array of arrays. */
export function arrayText(values: readonly string[]): string {
  return `{${values.map((v) => `"${clean(v).replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

/** Null: no date, or one outside what a calendar knows. */
export function secondsColumn(date: ZonedDate | null): number | null {
  if (!date || !Number.isFinite(date.seconds)) return null;
  const seconds = Math.trunc(date.seconds);
  return seconds < FIRST_SECOND || seconds > LAST_SECOND ? null : seconds;
}

export function offsetColumn(date: ZonedDate | null): number | null {
  if (secondsColumn(date) === null) return null;
  const offset = Math.trunc(date?.offset ?? 0);
  return Math.abs(offset) <= MINUTES_A_DAY ? offset : 0;
}

export function dateOf(seconds: string | null, offset: number | null): ZonedDate | null {
  return seconds === null ? null : { seconds: Number(seconds), offset: offset ?? 0 };
}

/** Null: no date, or an invalid one. */
export function timestampColumn(date: Date | null): Date | null {
  return date && secondsColumn({ seconds: date.getTime() / 1000, offset: 0 }) !== null ? date : null;
}

export interface ItemId {
  readonly epoch: string;
  readonly id: string;
}

/** IMAP UIDs and DAV hrefs go into columns of their own: the first are sorted as numbers. */
export function isUid(id: string): boolean {
  return /^\d{1,20}$/.test(id);
}
export function uidColumn(id: ItemId | null): string | null {
  return id && isUid(id.id) ? id.id : null;
}
export function hrefColumn(id: ItemId | null): string | null {
  return id && !isUid(id.id) ? clean(id.id) : null;
}

/** Columns of a binding as `BINDING_COLUMNS` selects them. */
export interface BindingRow {
  folder: string;
  key: string;
  state: BindingState;
  epoch: string | null;
  id: string | null;
  size: string;
  digest: string | null;
  flags: string[];
  date_seconds: string | null;
  date_offset: number | null;
  etag: string | null;
  version: string | null;
  job: string | null;
}
export const BINDING_COLUMNS = `b.folder, encode(b.key, 'hex') AS key, b.state, b.epoch, COALESCE(b.uid::text, b.href) AS id,
  b.size, encode(b.digest, 'hex') AS digest, b.flags, b.date_seconds, b.date_offset, b.etag, b.version, b.job`;

export function rowId(row: Pick<BindingRow, 'epoch' | 'id'>): ItemId | null {
  return row.id === null ? null : { epoch: row.epoch ?? '', id: row.id };
}

export function toBinding(row: BindingRow): Binding {
  return {
    folder: row.folder as FolderId,
    key: row.key as ItemKey,
    state: row.state,
    id: row.state === 'merged' ? null : rowId(row),
    size: Number(row.size),
    digest: row.digest as Digest | null,
    flags: row.flags,
    date: dateOf(row.date_seconds, row.date_offset),
    etag: row.etag,
    version: row.version,
  };
}

export function placeColumns(places: readonly ItemPlace[]): [string[], string[]] {
  return [places.map((place) => place.folder), places.map((place) => hex(place.key))];
}
