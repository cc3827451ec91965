import type { DestinationFolder } from '../../mailbox/folder.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { MailboxState } from '../../protocols/imap/commands/select.js';
import type { ImapSession } from '../../protocols/imap/session.js';
import { missingMailbox } from './append-errors.js';

/** Folders whose SELECT is on the wire at once. */
const AT_ONCE = 50;

/** Which flags each folder keeps: told by SELECT alone, since EXAMINE always says none. Null: all (RFC 9051 section 7.1). */
export class PermanentFlags {
  private readonly known = new Map<string, Promise<readonly string[] | null>>();

  /** @param notice hears what SELECT told; throws when the folder is another one now. */
  constructor(
    private readonly session: ImapSession,
    private readonly notice: (folder: DestinationFolder, state: MailboxState) => void,
  ) {}

  of(folder: DestinationFolder, signal: AbortSignal): Promise<readonly string[] | null> {
    return this.known.get(nameOf(folder)) ?? this.keep(folder, this.ask(folder, signal));
  }

  /** Asks for several folders in one burst. Never fails: what went wrong is asked again by whoever needs it. */
  learn(folders: readonly DestinationFolder[], signal: AbortSignal): void {
    const unknown = folders.filter((folder) => !this.known.has(nameOf(folder))).slice(0, AT_ONCE);
    if (unknown.length < 2) return;
    const burst = this.session.pool.use(signal, (connection) =>
      Promise.allSettled(unknown.map((folder) => this.session.open(connection, folder.name, false))),
    );
    for (const [i, folder] of unknown.entries()) {
      const learnt = burst.then((told) => {
        const one = told[i]!;
        if (one.status === 'rejected') throw one.reason;
        return this.take(folder, one.value);
      });
      this.keep(
        folder,
        learnt.catch(() => this.ask(folder, signal)),
      );
    }
  }

  private keep(folder: DestinationFolder, asked: Promise<readonly string[] | null>): typeof asked {
    const name = nameOf(folder);
    this.known.set(name, asked);
    asked.catch(() => this.known.delete(name));
    return asked;
  }

  private async ask(folder: DestinationFolder, signal: AbortSignal): Promise<readonly string[] | null> {
    try {
      const { session } = this;
      const open = session.repeatable(signal, folder.name, (one) => session.open(one, folder.name, false));
      return this.take(folder, await open);
    } catch (error) {
      const missing = error instanceof TransferError && error.code === 'DESTINATION_MISSING';
      throw missing && folder.name === 'INBOX' ? missingMailbox(error.serverText, error) : error;
    }
  }

  private take(folder: DestinationFolder, state: MailboxState): readonly string[] | null {
    this.notice(folder, state);
    return state.permanentFlags;
  }
}

function nameOf({ epoch, name }: DestinationFolder): string {
  return `${epoch} ${name}`;
}
