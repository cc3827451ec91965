import { createHash } from 'node:crypto';
import type { Note } from '../../mailbox/item.js';

const SYSTEM = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft'];
/** Dovecot refuses longer keywords (pitfall 81). */
const MAX_KEYWORD = 50;
/** What an atom may not hold (RFC 9051 section 9, atom-specials), besides 8-bit. */
const NOT_ATOM = /[^\x21-\x7e]|[(){%*"\\\]]/g;

/**
 * The flags of an item as this folder can keep them, and what had to change. Whatever can be kept stays as it is spelt.
 * @param permanent PERMANENTFLAGS; null: all (RFC 9051 section 7.1).
 */
export function fitFlags(
  flags: readonly string[],
  permanent: readonly string[] | null,
): { flags: string[]; notes: Note[] } {
  const lasting = new Set((permanent ?? []).map((flag) => flag.toLowerCase()));
  const anyKeyword = permanent === null || lasting.has('\\*');
  const kept = new Map<string, string>();
  const notes: Note[] = [];
  const drop = (flag: string): void => void notes.push({ code: 'FLAG_DROPPED', detail: flag });
  for (const flag of flags) {
    if (flag.toLowerCase() === '\\recent') continue;
    if (flag.startsWith('\\')) {
      const known = SYSTEM.find((name) => name.toLowerCase() === flag.toLowerCase());
      if (known !== undefined && (permanent === null || lasting.has(known.toLowerCase())))
        kept.set(known.toLowerCase(), known);
      else drop(flag);
      continue;
    }
    const keyword = fitKeyword(flag);
    if (!anyKeyword && !lasting.has(keyword.toLowerCase())) {
      drop(flag);
      continue;
    }
    if (keyword !== flag) notes.push({ code: 'KEYWORD_MAPPED', detail: `${flag} -> ${keyword}` });
    kept.set(keyword.toLowerCase(), keyword);
  }
  return { flags: [...kept.values()], notes };
}

function fitKeyword(keyword: string): string {
  const clean = keyword.replace(NOT_ATOM, '_');
  if (clean.length <= MAX_KEYWORD) return clean === '' ? '_' : clean;
  const hash = createHash('sha256').update(keyword).digest('hex').slice(0, 8);
  return `${clean.slice(0, MAX_KEYWORD - 9)}_${hash}`;
}
