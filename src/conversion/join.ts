import { ConversionError } from './conversion-error.js';
import type { ObjectFormat } from './prepare.js';
import { semanticDigest } from './semantic/digest.js';
import { type Component, parseComponents, printComponents } from './text/component.js';

const EDGE = /^(BEGIN|END):\s*([\w-]+)\s*$/i;
const HEAD = 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Mailferry//Recovery//EN\r\n';
const FOOT = 'END:VCALENDAR\r\n';

/** One file of many objects, for programs that import such files; made object by object. `name` ends the file's name. */
export interface ObjectFile {
  readonly name: '.ics' | '.vcf';
  readonly type: string;
  /** What the next object adds to the file; null: not all of it would be in there, see canBeKept. */
  add(object: Uint8Array): string | null;
  end(): string;
}

export function objectFile(format: ObjectFormat): ObjectFile {
  return format === 'card' ? cardFile() : calendarFile();
}

/** True for an object that reads back as the same from a file: only such a one may go because it is in the file. */
export function canBeKept(format: ObjectFormat, object: Uint8Array): boolean {
  return (format === 'card' ? cardsOf(object) : partsOf(object)) !== null;
}

/** Cards one after the other (RFC 6350 section 3.3). */
export function cardFile(): ObjectFile {
  return { name: '.vcf', type: 'text/vcard; charset=utf-8', add: cardsOf, end: () => '' };
}

/**
 * Events, tasks and notes in one calendar, with each time zone once. Where two objects describe one zone differently a new calendar begins in
 * the file (RFC 5545 section 3.4 allows several).
 */
export function calendarFile(): ObjectFile {
  let open = false;
  const zones = new Map<string, string>();
  return {
    name: '.ics',
    type: 'text/calendar; charset=utf-8',
    add(object) {
      const parts = partsOf(object);
      if (parts === null) return null;
      const own = new Map(
        parts.filter(({ name }) => name === 'VTIMEZONE').map((part) => [zoneId(part.text), part.text]),
      );
      const clashes = [...own].some(([id, text]) => (zones.get(id) ?? text) !== text);
      let added = '';
      if (open && clashes) {
        added += FOOT;
        open = false;
      }
      if (!open) {
        zones.clear();
        added += HEAD;
        open = true;
      }
      for (const [id, text] of own) if (!zones.has(id)) added += text;
      for (const [id, text] of own) zones.set(id, text);
      return added + parts.flatMap(({ name, text }) => (name === 'VTIMEZONE' ? [] : [text])).join('');
    },
    end() {
      const last = open ? FOOT : '';
      open = false;
      return last;
    },
  };
}

interface Part {
  readonly name: string;
  readonly text: string;
}

/** Null: nothing in it, or not all of it can be had. As their writer spelled them where that says the same. */
function partsOf(object: Uint8Array): Part[] | null {
  const same = (parts: readonly Part[]): boolean =>
    parts.some(({ name }) => name !== 'VTIMEZONE') &&
    saysTheSame(`${HEAD}${parts.map(({ text }) => text).join('')}${FOOT}`, object);
  const spelled = textOf(object);
  const asSpelled = spelled === null ? [] : componentsOf(spelled);
  if (same(asSpelled)) return asSpelled;
  const read = componentsIn(object, 'VCALENDAR').flatMap(({ components }) =>
    components.map((one) => ({ name: one.name, text: printed([one]) })),
  );
  return same(read) ? read : null;
}

function cardsOf(object: Uint8Array): string | null {
  const spelled = textOf(object);
  const ways = [spelled === null ? null : lineEnded(spelled), printed(componentsIn(object, 'VCARD'))];
  return ways.find((text) => text !== null && /^BEGIN:VCARD\b/i.test(text) && saysTheSame(text, object)) ?? null;
}

function saysTheSame(text: string, object: Uint8Array): boolean {
  return semanticDigest(Buffer.from(text, 'utf8')) === semanticDigest(object);
}

/** Without a byte order mark and what else stands before the first word: in the middle of a file it is no part of a line. Null: not UTF-8. */
function textOf(object: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(object).trimStart();
  } catch {
    return null;
  }
}

function componentsIn(object: Uint8Array, name: string): Component[] {
  try {
    return parseComponents(object).components.filter((one) => one.name === name);
  } catch (error) {
    if (error instanceof ConversionError) return [];
    throw error;
  }
}

function printed(components: readonly Component[]): string {
  return Buffer.from(printComponents(components)).toString('utf8');
}

/** The components right inside VCALENDAR, as their writer spelled them. */
function componentsOf(object: string): Part[] {
  const parts: Part[] = [];
  let [depth, from, name] = [0, 0, ''];
  const lines = object.split(/\r\n|\r|\n/);
  for (const [at, line] of lines.entries()) {
    const edge = EDGE.exec(line);
    if (edge === null) continue;
    if (edge[1]!.toUpperCase() === 'BEGIN') {
      if (++depth === 2) [from, name] = [at, edge[2]!.toUpperCase()];
    } else if (depth-- === 2) parts.push({ name, text: `${lines.slice(from, at + 1).join('\r\n')}\r\n` });
  }
  return parts;
}

function zoneId(text: string): string {
  return /^TZID[^:\r\n]*:([^\r\n]*)/im.exec(text)?.[1]?.trim() ?? '';
}

function lineEnded(text: string): string {
  return text.endsWith('\n') ? text : `${text}\r\n`;
}
