import type { SourceFolder } from '../../mailbox/folder.js';
import { decodeMailboxName } from '../../protocols/imap/modified-utf7.js';

/** Gmail's own labels as X-GM-LABELS spells them, lower case, with the role of the folder that shows them. */
const SYSTEM: ReadonlyMap<string, string> = new Map([
  ['\\inbox', 'inbox'],
  ['\\sent', 'sent'],
  ['\\draft', 'drafts'],
  ['\\drafts', 'drafts'],
  ['\\trash', 'trash'],
  ['\\junk', 'junk'],
  ['\\spam', 'junk'],
]);
/** The star is the flag \Flagged already; the others are folders that need not be shown. */
const SYSTEM_ONLY: ReadonlySet<string> = new Set(['\\starred', ...SYSTEM.keys()]);
/** A mark, not a place (RFC 8457). */
const IMPORTANT = '\\important';
/** What an atom may not hold (RFC 9051 section 9); labels arrive in modified UTF-7 and have no 8-bit. */
const NOT_ATOM = /[^\x21-\x7e]|[(){%*"\\\]]/g;

/** Those that decide a folder before a person's own labels do, first ones first. */
const FIRST = ['drafts', 'inbox', 'sent'];

export interface Place {
  /** Position of the folder; null: none of its labels has a folder. */
  readonly folder: number | null;
  /** Of every folder that shows it. */
  readonly all: readonly number[];
  /** Labels besides the one that decided. */
  readonly extra: readonly string[];
}

/** Decides which of the folders of an account a message is in, by its labels. */
export class LabelPlaces {
  private readonly byRole = new Map<string, number>();
  private readonly byPath = new Map<string, number>();
  private readonly ranks: readonly number[];

  /** @param leftOut folders that will not be copied: a message is in one of them only if it is in no other. */
  constructor(folders: readonly SourceFolder[], leftOut: (folder: SourceFolder) => boolean) {
    folders.forEach(({ role, path }, i) => {
      if (role !== undefined) this.byRole.set(role, i);
      this.byPath.set(path.join('/'), i);
    });
    const order = folders
      .map((folder, i) => ({ i, folder, name: folder.path.join('/') }))
      .sort(
        (a, b) =>
          Number(leftOut(a.folder)) - Number(leftOut(b.folder)) ||
          first(a.folder) - first(b.folder) ||
          b.folder.path.length - a.folder.path.length ||
          (a.name < b.name ? -1 : 1),
      );
    const ranks: number[] = [];
    order.forEach(({ i }, rank) => (ranks[i] = rank));
    this.ranks = ranks;
  }

  /** @param labels as X-GM-LABELS gives them. */
  of(labels: readonly string[]): Place {
    const shown = labels.flatMap((label) => {
      const at = this.folderOf(label);
      return at === undefined ? [] : [{ at, label }];
    });
    const primary = shown.reduce<(typeof shown)[number] | null>(
      (best, one) => (best === null || this.ranks[one.at]! < this.ranks[best.at]! ? one : best),
      null,
    );
    const extra = labels.filter((label) => label !== primary?.label && !SYSTEM_ONLY.has(label.toLowerCase()));
    return { folder: primary?.at ?? null, all: shown.map(({ at }) => at), extra };
  }

  /** True: no folder shows it, so what has it alone is in the archive. */
  isHidden(label: string): boolean {
    return this.folderOf(label) === undefined && !label.startsWith('\\');
  }

  private folderOf(label: string): number | undefined {
    const role = SYSTEM.get(label.toLowerCase());
    return role === undefined ? this.byPath.get(decodeMailboxName(label)) : this.byRole.get(role);
  }
}

function first({ role }: SourceFolder): number {
  const at = role === undefined ? -1 : FIRST.indexOf(role);
  return at < 0 ? FIRST.length : at;
}

/** The label as a keyword: as Thunderbird names its tags, in modified UTF-7. */
export function keywordOf(label: string): string {
  return label.toLowerCase() === IMPORTANT ? '$Important' : label.replace(/^\\/, '').replace(NOT_ATOM, '_');
}

/** As people know it. */
export function labelName(label: string): string {
  return decodeMailboxName(label.replace(/^\\/, ''));
}
