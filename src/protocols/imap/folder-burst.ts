import type { MessageMetadata } from './commands/fetch-metadata.js';
import type { MailboxState } from './commands/select.js';
import type { ImapConnection } from './connection.js';
import { fetchWindow, type UidWindow } from './mailbox-windows.js';
import type { ImapSession } from './session.js';

/** Messages that are held for folders nobody has asked for yet. */
const MOST_MESSAGES = 20_000;
/** Folders whose commands are on the wire at once. */
const AT_ONCE = 16;

export interface OpenedWindow {
  readonly state: MailboxState;
  /** Ascending. */
  readonly items: readonly MessageMetadata[];
}

/**
 * EXAMINE and the metadata of a window in one round trip. The window must be one that is known to be small, and the server
 * one whose numbers last without SELECT. @throws what the EXAMINE threw, before what followed from it.
 */
export async function openWindow(
  session: ImapSession,
  connection: ImapConnection,
  raw: string,
  window: UidWindow,
): Promise<OpenedWindow> {
  const [opened, fetched] = await Promise.allSettled([session.open(connection, raw), fetchWindow(connection, window)]);
  if (opened.status === 'rejected') throw opened.reason;
  if (fetched.status === 'rejected') throw fetched.reason;
  return { state: opened.value, items: fetched.value };
}

/** Whole folders asked for ahead, in bursts on one connection, for whoever takes them one after the other. */
export class FolderBurst {
  private readonly answers = new Map<string, Promise<OpenedWindow | null>>();
  private readonly answer = new Map<string, (opened: OpenedWindow | null) => void>();

  /** @param folders in the order in which they will be taken, with the messages each is known to hold at most. */
  constructor(
    private readonly session: ImapSession,
    folders: readonly { readonly raw: string; readonly messages: number }[],
    signal: AbortSignal,
  ) {
    if (session.traits.numbersUnderSelectOnly) return;
    let room = MOST_MESSAGES;
    for (const { raw, messages } of folders) {
      if (messages === 0 || messages > room) continue;
      room -= messages;
      this.answers.set(raw, new Promise((resolve) => this.answer.set(raw, resolve)));
    }
    if (this.answers.size > 0) void this.askAll([...this.answers.keys()], signal);
  }

  /** Once for each folder. Null: it was not asked for, or went wrong; whoever asks himself hears why. */
  async take(raw: string): Promise<OpenedWindow | null> {
    const answer = this.answers.get(raw) ?? null;
    this.answers.delete(raw);
    return answer;
  }

  private async askAll(names: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      await this.session.pool.use(signal, async (connection) => {
        for (let i = 0; i < names.length; i += AT_ONCE)
          await Promise.all(names.slice(i, i + AT_ONCE).map((raw) => this.ask(connection, raw)));
      });
    } catch {
      // See take().
    } finally {
      for (const give of this.answer.values()) give(null);
    }
  }

  private async ask(connection: ImapConnection, raw: string): Promise<void> {
    const opened = await openWindow(this.session, connection, raw, { from: 1, to: null });
    this.answer.get(raw)?.(this.session.traits.numbersUnderSelectOnly ? null : opened);
    this.answer.delete(raw);
  }
}
