import { createHash } from 'node:crypto';
import { encodeMailboxName } from '../../protocols/imap/modified-utf7.js';

/** Encoded octets of one level: file systems take 255, and servers add to them. */
const MAX_LEVEL = 200;
/** Encoded octets of a whole name: maildir++ keeps it in one folder name. */
const MAX_NAME = 900;
const MAX_NAME_STRICT = 200;

export interface NameRules {
  readonly prefix: string;
  readonly delimiter: string | null;
}

/** Where the folder's name had to change to be one this server can hold; null: it is fine. */
export type NameChange = 'illegal-name' | 'too-long' | 'flattened' | null;

/**
 * A path that can be asked for. `strict` also avoids what only some servers refuse (Cyrus: % ^ \ "; Exchange: blanks at
 * the ends; maildir++: long paths).
 */
export function fitPath(
  path: readonly string[],
  rules: NameRules,
  strict = false,
): { path: string[]; change: NameChange } {
  let change: NameChange = null;
  let levels = path.map((level) => {
    const legal = legalLevel(level, rules, strict);
    if (legal !== level) change = 'illegal-name';
    if (encodeMailboxName(legal).length <= MAX_LEVEL) return legal;
    change = 'too-long';
    return shorten(legal);
  });
  if (rules.delimiter === null && levels.length > 1) {
    levels = [levels.join(' - ')];
    change = 'flattened';
  }
  if (toRaw(levels, rules).length > (strict ? MAX_NAME_STRICT : MAX_NAME)) {
    levels = [shorten(levels[0]!, 20), `${shorten(levels.at(-1)!, 40)}~${hash(path.join('\0'))}`];
    change = 'too-long';
  }
  return { path: levels, change };
}

function legalLevel(level: string, { delimiter }: NameRules, strict: boolean): string {
  let name = level.replace(/[\x00-\x1f\x7f\u2028\u2029]|\p{Surrogate}/gu, '_');
  if (delimiter !== null) name = name.replaceAll(delimiter, delimiter === '-' ? '_' : '-');
  name = name.replace(/^[~#]/, '_');
  if (name === '' || name === '.' || name === '..') name = '_';
  if (!strict) return name;
  name = name.replace(/[%*^"\\/.]/g, '_').replace(/^\s+|\s+$/g, '_');
  return name.replace(/\.lock$/i, '_lock');
}

function shorten(name: string, max = MAX_LEVEL - 20): string {
  let short = [...name];
  while (encodeMailboxName(short.join('')).length > max) short = short.slice(0, Math.floor(short.length * 0.9));
  return short.length === [...name].length ? name : `${short.join('').trimEnd()}~${hash(name)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** A name every server takes, for a folder whose own was refused twice. */
export function plainName(path: readonly string[]): string[] {
  return [`Folder ${hash(path.join('\0'))}`];
}

/** The server's spelling of a path. INBOX is outside the prefix. */
export function toRaw(path: readonly string[], { prefix, delimiter }: NameRules): string {
  const [first = '', ...rest] = path;
  const inbox = first.toUpperCase() === 'INBOX';
  if (inbox && rest.length === 0) return 'INBOX';
  const encoded = path.map(encodeMailboxName);
  if (inbox) encoded[0] = 'INBOX';
  return (inbox ? '' : prefix) + encoded.join(delimiter ?? '');
}

/** Two paths with the same key cannot both exist on every server. */
export function pathKey(path: readonly string[]): string {
  return path.map((level) => level.normalize('NFC').toLowerCase()).join('\0');
}
