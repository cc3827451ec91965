import type { SourceFolder } from '../../mailbox/folder.js';

/** What Gmail can be set to as "limit IMAP folders to contain no more than this many messages". */
const FOLDER_LIMITS: readonly number[] = [1_000, 2_000, 5_000, 10_000];
/** Keys are X-GM-MSGID, which last for ever: no UIDVALIDITY voids them. */
export const LASTING_EPOCH = 'X-GM-MSGID';

export interface GmailFolders {
  /** As they are copied, in the server's order. */
  readonly shown: readonly SourceFolder[];
  /** Named in the plan and never copied, and containers. */
  readonly others: readonly SourceFolder[];
  /** Where all mail is read; null: it is not shown over IMAP. */
  readonly all: SourceFolder | null;
}

/**
 * The folders Gmail shows over IMAP are views of one store: each label is one, and a message is in as many as it has labels.
 * Of them the labels are kept as folders; All Mail holds what has none and becomes the archive; Starred and Important show
 * what is elsewhere. Spam and the trash are left out unless the person wants them.
 */
export function gmailFolders(listed: readonly SourceFolder[]): GmailFolders {
  const all = listed.find(({ role, selectable }) => role === 'all' && selectable) ?? null;
  const root = rootOf(listed);
  const shown: SourceFolder[] = [];
  const others: SourceFolder[] = [];
  for (const folder of listed) {
    if (!folder.selectable) {
      // [Gmail] holds nothing and is nobody's folder.
      if (folder.leftOut !== undefined || folder.path.join('/') !== root) others.push(folder);
    } else if (folder.role === 'flagged' || folder.role === 'important')
      others.push(without(folder, 'LABEL_VIEW', 'It shows mail that is in other folders; that is copied once.'));
    else if (root !== null && folder.role === undefined && isChild(folder, root))
      others.push(without(folder, 'CHATS', 'It holds chats, which are no mail.'));
    else shown.push(asKept(folder, all));
  }
  return { shown, others, all };
}

/** What the special folders lie in: [Gmail], or [Google Mail] in some countries. */
function rootOf(listed: readonly SourceFolder[]): string | null {
  const special = listed.find(({ path, role }) => path.length > 1 && role !== undefined && role !== 'inbox');
  return special === undefined ? null : special.path.slice(0, -1).join('/');
}

function isChild({ path }: SourceFolder, root: string): boolean {
  return path.length > 1 && path.slice(0, -1).join('/') === root;
}

function without(folder: SourceFolder, code: string, message: string): SourceFolder {
  return { ...folder, selectable: false, complete: true, leftOut: { code, message } };
}

function asKept(folder: SourceFolder, all: SourceFolder | null): SourceFolder {
  const { role: given, ...rest } = folder;
  // A label that somebody called "Archive" is a label: the archive is what has none.
  const role = folder === all ? ('archive' as const) : given === 'archive' ? undefined : given;
  const kept: SourceFolder = {
    ...rest,
    ...(role === undefined ? {} : { role }),
    epoch: LASTING_EPOCH,
    keyScope: 'account',
    ...(role === 'trash' || role === 'junk' ? { optional: true } : {}),
  };
  if (folder === all && all.items !== null && FOLDER_LIMITS.includes(all.items)) return limited(kept);
  if (all === null && role === 'inbox')
    return {
      ...kept,
      complete: false,
      note: 'Gmail does not show "All Mail" to IMAP, so archived mail without a label is not seen. Show it in Gmail\'s settings under "Labels", then run the migration again.',
    };
  return kept;
}

/** All Mail does not show all: more than it shows was found elsewhere, or it shows exactly as many as such a limit. */
export function limited(all: SourceFolder): SourceFolder {
  const note =
    'Gmail is set to limit the size of IMAP folders, so older mail may not be seen. Lift the limit in Gmail\'s settings under "Forwarding and POP/IMAP", then run the migration again.';
  return { ...all, complete: false, note };
}
