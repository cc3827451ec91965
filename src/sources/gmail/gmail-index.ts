import type { SourceFolder, SourceFolderId } from '../../mailbox/folder.js';
import { fetchMetadata } from '../../protocols/imap/commands/fetch-metadata.js';
import { type MailboxState, select } from '../../protocols/imap/commands/select.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { ImapFailure } from '../../protocols/imap/failure.js';
import { type UidWindow, uidWindows } from '../../protocols/imap/mailbox-windows.js';
import { asList, asString, strings } from '../../protocols/imap/values.js';
import { MAX_SCAN_PAGE } from '../source.js';
import { LabelPlaces } from './labels.js';
import { MessageTable, StringSets } from './message-table.js';
import type { GmailFolders } from './folders.js';

const LABELLED = ['X-GM-MSGID', 'X-GM-LABELS'];

/** A folder of the server that messages are read from. */
export interface Origin {
  readonly folder: SourceFolder;
  readonly uidValidity: number;
}

interface Labelled {
  readonly msgId: bigint;
  readonly uid: number;
  readonly size: number;
  readonly date: { seconds: number; offset: number } | null;
  readonly flags: readonly string[];
  readonly labels: readonly string[];
}

/** Runs a piece of work on a connection, again on another one if that breaks. */
export type OnConnection = <T>(work: (connection: ImapConnection) => Promise<T>) => Promise<T>;

/** Which message is in which folder: All Mail listed once, and Spam and the trash when they are asked for. */
export class GmailIndex {
  readonly origins: Origin[] = [];
  /** True: a folder held what All Mail does not show. */
  isLimited = false;
  private readonly tables = new Map<SourceFolderId, MessageTable>();
  private readonly sets = new StringSets();
  readonly places: LabelPlaces;
  private main: Promise<void> | null = null;
  private readonly apart = new Map<SourceFolderId, Promise<void>>();

  constructor(
    private readonly folders: GmailFolders,
    leftOut: (folder: SourceFolder) => boolean,
    private readonly rawOf: (folder: SourceFolder) => string,
  ) {
    this.places = new LabelPlaces(folders.shown, leftOut);
  }

  /** The messages of a folder; lists them the first time. A listing that failed is begun anew. */
  async of(folder: SourceFolder, on: OnConnection): Promise<MessageTable> {
    if (isApart(folder)) {
      const listing = this.apart.get(folder.id) ?? this.listApart(folder, on);
      this.apart.set(folder.id, listing);
      await listing.catch((error: unknown) => {
        this.apart.delete(folder.id);
        throw error;
      });
    } else {
      this.main ??= this.listMain(on);
      await this.main.catch((error: unknown) => {
        this.main = null;
        throw error;
      });
    }
    return this.tables.get(folder.id)!;
  }

  private async listApart(folder: SourceFolder, on: OnConnection): Promise<void> {
    const table = new MessageTable(this.sets);
    this.tables.set(folder.id, table);
    await this.listOne(folder, on, (item, origin) => {
      const { extra } = this.places.of(item.labels);
      table.add({ ...item, origin, extra });
    });
  }

  /**
   * All Mail, and then every folder that says it holds more than All Mail shows of it: Gmail can be set to show only so many
   * messages of a folder. Without All Mail every folder is listed.
   */
  private async listMain(on: OnConnection): Promise<void> {
    const { shown, all } = this.folders;
    for (const folder of shown) if (!isApart(folder)) this.tables.set(folder.id, new MessageTable(this.sets));
    const counted = new Map<number, number>();
    if (all !== null)
      await this.listOne(all, on, (item, origin) => {
        for (const at of this.places.of(item.labels).all) counted.set(at, (counted.get(at) ?? 0) + 1);
        this.place(item, origin);
      });
    const hidden = shown.filter(
      (folder, at) => !isApart(folder) && folder.id !== all?.id && (folder.items ?? 0) > (counted.get(at) ?? 0),
    );
    if (hidden.length === 0) return;
    const seen = new Set<bigint>();
    for (const table of this.tables.values()) for (const id of table.ids()) seen.add(id);
    for (const folder of hidden)
      await this.listOne(folder, on, (item, origin) => {
        if (seen.has(item.msgId)) return;
        seen.add(item.msgId);
        this.isLimited ||= all !== null;
        // The label of the open folder goes without saying, so Gmail does not tell it.
        this.place({ ...item, labels: [...item.labels, labelOf(folder, this.rawOf(folder))] }, origin);
      });
  }

  private place(item: Labelled, origin: number): void {
    const { shown, all } = this.folders;
    const { folder: at, extra } = this.places.of(item.labels);
    const folder = at === null ? (all ?? shown[0]!) : shown[at]!;
    this.tables.get(folder.id)!.add({ ...item, origin, extra });
  }

  /** In windows: one that was cut off is asked for again on another connection. */
  private async listOne(
    folder: SourceFolder,
    on: OnConnection,
    take: (item: Labelled, origin: number) => void,
  ): Promise<void> {
    const raw = this.rawOf(folder);
    const open = async (connection: ImapConnection): Promise<MailboxState & { uidValidity: number }> => {
      const state = await select(connection, raw, true);
      if (state.uidValidity === null) throw new ImapFailure('protocol', 'Gmail told no UIDVALIDITY');
      return { ...state, uidValidity: state.uidValidity };
    };
    const { uidValidity, windows } = await on(async (connection) => {
      const state = await open(connection);
      return { uidValidity: state.uidValidity, windows: await uidWindows(connection, state, 1, MAX_SCAN_PAGE) };
    });
    const origin = this.origins.push({ folder, uidValidity }) - 1;
    for (const window of windows) {
      const items = await on(async (connection) => {
        if (connection.selected?.raw !== raw) await open(connection);
        return fetchLabelled(connection, window);
      });
      for (const item of items) take(item, origin);
    }
  }
}

/** Neither is part of All Mail. */
function isApart({ role }: SourceFolder): boolean {
  return role === 'trash' || role === 'junk';
}

const SYSTEM_LABELS: Readonly<Record<string, string>> = { inbox: '\\Inbox', sent: '\\Sent', drafts: '\\Draft' };

function labelOf({ role }: SourceFolder, raw: string): string {
  return (role !== undefined && SYSTEM_LABELS[role]) || raw;
}

async function fetchLabelled(connection: ImapConnection, { from, to }: UidWindow): Promise<Labelled[]> {
  const found: Labelled[] = [];
  await fetchMetadata(
    connection,
    `${from}:${to ?? '*'}`,
    ({ uid, size, date, flags }, told) => {
      const id = asString(told.get('X-GM-MSGID'));
      if (id === null || !/^\d{1,20}$/.test(id) || BigInt(id) >= 2n ** 64n)
        throw new ImapFailure('protocol', 'Gmail told no X-GM-MSGID');
      found.push({ msgId: BigInt(id), uid, size, date, flags, labels: strings(asList(told.get('X-GM-LABELS'))) });
    },
    undefined,
    LABELLED,
  );
  return found.sort((a, b) => a.uid - b.uid);
}
