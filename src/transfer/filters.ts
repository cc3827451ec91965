import type { Settled } from '../ledger/ledger.js';
import type { FolderId, SourceFolder } from '../mailbox/folder.js';
import type { ItemMeta } from '../mailbox/item.js';
import type { DestinationFacts } from '../destinations/destination.js';
import type { TransferOptions } from './contract.js';

/** Left out by the person, or by itself where the person did not ask for it. */
export function isLeftOut(
  { path, optional }: Pick<SourceFolder, 'path' | 'optional'>,
  { excludeFolders, includeFolders = [] }: Pick<TransferOptions, 'excludeFolders' | 'includeFolders'>,
): boolean {
  return isExcluded(path, excludeFolders) || (optional === true && !isExcluded(path, includeFolders));
}

/** True for a folder that was left out by the person, and for everything below it. */
export function isExcluded(path: readonly string[], excluded: TransferOptions['excludeFolders']): boolean {
  return excluded.some((out) => out.length > 0 && out.every((level, i) => sameLevel(level, path[i], i)));
}

/** INBOX is the same in any case, and only at the top (RFC 9051 section 5.1). */
function sameLevel(a: string, b: string | undefined, depth: number): boolean {
  if (depth === 0 && a.toUpperCase() === 'INBOX') return b?.toUpperCase() === 'INBOX';
  return a.normalize('NFC') === b?.normalize('NFC');
}

/**
 * Why an item is not copied, or null. The date is INTERNALDATE and the filter is ours: date searches are broken on
 * several servers and look at whole days in an unnamed zone.
 */
export function filterOf(
  item: Pick<ItemMeta, 'date' | 'size'>,
  options: Pick<TransferOptions, 'since' | 'maxItemBytes'>,
  facts: Pick<DestinationFacts, 'maxBytes'>,
): { readonly code: string; readonly message: string } | null {
  if (options.since && item.date && item.date.seconds * 1000 < options.since.getTime())
    return { code: 'FILTERED_DATE', message: 'It is older than the date you chose.' };
  if (options.maxItemBytes !== null && item.size > options.maxItemBytes)
    return { code: 'TOO_LARGE', message: 'It is larger than the limit you chose.' };
  if (facts.maxBytes !== null && item.size > facts.maxBytes)
    return { code: 'MESSAGE_TOO_LARGE', message: 'It is larger than the new mail server accepts.' };
  return null;
}

/** Left out by the person's own choice is skipped; what the new server does not take has failed: somebody can mend that. */
export function outcomeOf(code: string): 'skipped' | 'failed' {
  return code === 'MESSAGE_TOO_LARGE' ? 'failed' : 'skipped';
}

export function skipped(folder: FolderId, item: ItemMeta, reason: { code: string; message: string }): Settled {
  return { folder, key: item.key, is: outcomeOf(reason.code), ...reason, size: item.size, date: item.date };
}
