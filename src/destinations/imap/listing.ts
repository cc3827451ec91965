import type { DestinationFolder } from '../../mailbox/folder.js';
import type { MessageMetadata } from '../../protocols/imap/commands/fetch-metadata.js';
import { FolderBurst, type OpenedWindow, openWindow } from '../../protocols/imap/folder-burst.js';
import { fetchWindow, inPages, uidWindows } from '../../protocols/imap/mailbox-windows.js';
import type { ImapSession } from '../../protocols/imap/session.js';
import { type DestinationMark, type FoundItem, MAX_LIST_WINDOW } from '../destination.js';
import type { FolderMarks } from './folder-marks.js';
import { epochChanged, epochNumber } from './ids.js';

/** What the folders hold from a mark on: little in one round trip, much in windows. */
export class FolderListing {
  private burst: FolderBurst | null = null;

  constructor(
    private readonly session: ImapSession,
    private readonly marks: FolderMarks,
  ) {}

  /** Small folders that are about to be listed from their first message are asked for ahead. */
  expect(folders: readonly DestinationFolder[], signal: AbortSignal): void {
    const small = folders.map((folder) => ({ raw: folder.name, messages: this.marks.mostFrom(folder, 1) }));
    this.burst = new FolderBurst(
      this.session,
      small.filter(({ messages }) => messages <= MAX_LIST_WINDOW),
      signal,
    );
  }

  async *list(folder: DestinationFolder, from: DestinationMark, signal: AbortSignal): AsyncGenerator<FoundItem[]> {
    signal.throwIfAborted();
    const { name } = folder;
    const epoch = epochNumber(from.epoch);
    const lowest = Math.max(1, Number(from.mark));
    const atOnce = await this.atOnce(folder, lowest, signal);
    if (atOnce !== null) {
      if (atOnce.state.uidValidity !== epoch) throw epochChanged();
      yield* inPages(
        atOnce.items.map((item) => toFound(from.epoch, item)),
        MAX_LIST_WINDOW,
      );
      return;
    }
    const windows = await this.session.repeatable(signal, name, async (connection) => {
      const state = await this.session.open(connection, name);
      if (state.uidValidity !== epoch) throw epochChanged();
      return uidWindows(connection, state, lowest, MAX_LIST_WINDOW);
    });
    for (const window of windows) {
      const items = await this.session.repeatable(signal, name, async (connection) => {
        await this.session.at(connection, name, epoch);
        return fetchWindow(connection, window);
      });
      yield* inPages(
        items.map((item) => toFound(from.epoch, item)),
        MAX_LIST_WINDOW,
      );
    }
  }

  /** What is known to be little, in one round trip. Null: the folder must be opened and looked at first. */
  private async atOnce(folder: DestinationFolder, lowest: number, signal: AbortSignal): Promise<OpenedWindow | null> {
    const { session, marks } = this;
    if (session.traits.numbersUnderSelectOnly || marks.mostFrom(folder, lowest) > MAX_LIST_WINDOW) return null;
    const ahead = lowest === 1 ? ((await this.burst?.take(folder.name)) ?? null) : null;
    const opened =
      ahead ??
      (await session.repeatable(signal, folder.name, (connection) =>
        openWindow(session, connection, folder.name, { from: lowest, to: null }),
      ));
    return session.traits.numbersUnderSelectOnly ? null : opened;
  }
}

function toFound(epoch: string, { uid, size, date, flags }: MessageMetadata): FoundItem {
  return { id: { epoch, id: String(uid) }, size, date, flags };
}
