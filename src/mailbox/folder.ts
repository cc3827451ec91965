import type { ItemKind } from './kinds.js';
import type { TransferError } from './transfer-error.js';

/** RFC 6154 special uses that get a counterpart at the destination, and INBOX (RFC 9051 section 5.1). */
export const FOLDER_ROLES = [
  'inbox',
  'sent',
  'drafts',
  'trash',
  'junk',
  'archive',
  'all',
  'flagged',
  'important',
] as const;
export type FolderRole = (typeof FOLDER_ROLES)[number];

/** Stable name of a folder at the source: decoded IMAP name, EWS or Graph id, DAV href. Unique in the account. */
export type SourceFolderId = string & { readonly __brand: 'SourceFolderId' };

/** How a calendar or an address book looks: decoration, kept where the new server can. */
export interface FolderAppearance {
  /** '#RRGGBB' or '#RRGGBBAA'. */
  readonly color?: string;
  readonly order?: number;
  readonly description?: string;
  /** iCalendar text with one VTIMEZONE. */
  readonly timezone?: string;
}

/** A folder of the old provider. `path` is decoded, one entry a level, without namespace prefix or delimiter. */
export interface SourceFolder {
  readonly id: SourceFolderId;
  readonly path: readonly string[];
  readonly kind: ItemKind;
  readonly role?: FolderRole;
  /** Changes when every key of the folder becomes void (IMAP UIDVALIDITY). Null for a container. */
  readonly epoch: string | null;
  /** Follows the folder when it is renamed (RFC 8474 MAILBOXID), where the server gives one. */
  readonly objectId?: string;
  /** `account`: keys are unique over all folders (X-GM-MSGID), so each is copied once. */
  readonly keyScope: 'folder' | 'account';
  /** False: exists only to hold children (\Noselect); it is created, never scanned. */
  readonly selectable: boolean;
  readonly subscribed: boolean;
  /** False: the source cannot show everything in it (a provider's listing limit); the reason is `note`. */
  readonly complete: boolean;
  readonly note?: string;
  /** True: left out unless the person asks for it (Gmail's spam and trash). */
  readonly optional?: boolean;
  /** Present: it belongs to somebody else or is no mail folder. It is named in the plan and the report, never copied. */
  readonly leftOut?: { readonly code: string; readonly message: string };
  readonly appearance?: FolderAppearance;
  /** What the source says it holds, for the plan. Null: not known before the scan. */
  readonly items: number | null;
  readonly bytes: number | null;
}

/** Row id of a source folder in the ledger. */
export type FolderId = string & { readonly __brand: 'FolderId' };
/** Row id of a destination folder in the ledger. */
export type DestinationFolderId = string & { readonly __brand: 'DestinationFolderId' };

/** Where one source folder goes. `changed` says in which way the name had to differ. */
export interface FolderMapping {
  readonly source: SourceFolder;
  /** The destination's own path, one entry a level, as people see it. */
  readonly path: readonly string[];
  /** The server's own name of the folder that earlier runs wrote into, where it is still there: paths need not be unique. */
  readonly known?: string;
  readonly exists: boolean;
  readonly role?: FolderRole;
  readonly changed?: 'role' | 'illegal-name' | 'too-long' | 'collision' | 'flattened';
}
/** A preview of the folder map; making it changes nothing. `leftOut` are folders that are not copied, with a code. */
export interface FolderPlan {
  readonly mappings: readonly FolderMapping[];
  readonly leftOut: readonly { readonly source: SourceFolder; readonly code: string; readonly message: string }[];
}

/** A folder at the hoster, after it exists. Several source folders may share one. */
export interface DestinationFolder {
  /** The server's own name for it (raw IMAP mailbox name or DAV href). */
  readonly name: string;
  readonly path: readonly string[];
  readonly kind: ItemKind;
  readonly role?: FolderRole;
  /** IMAP UIDVALIDITY; for DAV a constant. */
  readonly epoch: string;
  /** RFC 8474 MAILBOXID where the server gives one. */
  readonly objectId?: string;
  /** True: it was there before this link ever wrote into it. */
  readonly preExisting: boolean;
  /** Largest item in bytes; null: it has no limit. Left out: what the destination says of all its folders. */
  readonly maxBytes?: number | null;
  /** The source folders that go here. */
  readonly sources: readonly SourceFolderId[];
  /** Present: it does not exist, and the server does not let us make it. Nothing can be asked of it. */
  readonly refused?: TransferError;
}

/** For logs and pages only: never split it again. */
export function displayPath(path: readonly string[]): string {
  return path.join('/');
}

/** As people expect a list of folders: the inbox, then what every mailbox has, then their own by name. */
export function inPeoplesOrder<T extends Pick<SourceFolder, 'path' | 'role'>>(folders: readonly T[]): T[] {
  const rank = ({ role }: T): number => (role === undefined ? FOLDER_ROLES.length : FOLDER_ROLES.indexOf(role));
  const byName = new Intl.Collator('en', { numeric: true });
  return [...folders].sort((a, b) => rank(a) - rank(b) || byName.compare(displayPath(a.path), displayPath(b.path)));
}
