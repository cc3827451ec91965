import { setTimeout as pause } from 'node:timers/promises';
import { TransferError } from '../../mailbox/transfer-error.js';
import { noop } from './commands/noop.js';
import { type MailboxState, select } from './commands/select.js';
import { status } from './commands/status.js';
import type { ImapConnection } from './connection.js';
import { ImapFailure } from './failure.js';
import type { ImapPool } from './pool.js';
import { ServerTraits } from './traits.js';
import { type ErrorContext, toTransferError } from './transfer-errors.js';

/** Connections that one piece of work may use up before the engine hears of it. */
const TRIES = 3;
const PAUSE_MS = 250;
/** A batch right after another needs no round trip for news (ms). */
const PAUSE_SEEN_MS = 20;

/** The connections of one account, with what is the same for all work on them: trying again, and how errors are told. */
export class ImapSession {
  /** Given to every connection of the pool. */
  readonly traits = new ServerTraits();
  private readonly states = new WeakMap<ImapConnection, MailboxState>();

  constructor(
    readonly pool: ImapPool,
    private readonly context: ErrorContext,
  ) {}

  toError(error: unknown): TransferError {
    return toTransferError(error, this.context);
  }

  /** Does a piece of work that may be repeated; a connection that breaks is replaced. @throws TransferError */
  async repeatable<T>(
    signal: AbortSignal,
    prefer: string | undefined,
    work: (connection: ImapConnection) => Promise<T>,
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.pool.use(signal, work, prefer);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const told = this.toError(error);
        const broken = error instanceof ImapFailure && told.scope === 'connection';
        if (!broken || tries >= TRIES) throw told;
        await pause(PAUSE_MS * tries, undefined, { signal });
      }
    }
  }

  /** EXAMINE (or SELECT), always anew. Bodies are only ever peeked at, so SELECT takes no more than \Recent away. */
  async open(connection: ImapConnection, raw: string, readOnly = true): Promise<MailboxState> {
    const { traits } = this;
    let state = await select(connection, raw, readOnly && !traits.numbersUnderSelectOnly);
    if (state.uidNext === null && !traits.numbersUnderSelectOnly) {
      traits.numbersUnderSelectOnly = true;
      if (readOnly) state = await select(connection, raw, false);
    }
    if (state.uidValidity === null && !state.notSticky) {
      traits.numbersByStatusOnly = true;
      state = { ...state, uidValidity: (await status(connection, raw)).uidValidity };
    } else traits.numbersByStatusOnly ??= false;
    this.states.set(connection, state);
    return state;
  }

  /** The folder as this connection knows it, opened if it is not. @throws TransferError EPOCH_CHANGED */
  async at(connection: ImapConnection, raw: string, uidValidity: number, readOnly = true): Promise<MailboxState> {
    const known = this.openAlready(connection, raw, readOnly);
    // After a pause the server is asked what happened meanwhile: the view it shows is of the last command (pitfall 16).
    // Waited for: Dovecot puts off its news as long as another command is behind this one on the wire.
    if (known !== null && performance.now() - connection.idleSince > PAUSE_SEEN_MS) await noop(connection);
    return this.checked(connection, known ?? (await this.open(connection, raw, readOnly)), uidValidity);
  }

  /**
   * The same for a command that leaves before the answer: what it brings must not be used before this has resolved. After
   * a pause the folder is opened anew, which costs no round trip here.
   */
  async opening(connection: ImapConnection, raw: string, uidValidity: number): Promise<MailboxState> {
    const seen = performance.now() - connection.idleSince <= PAUSE_SEEN_MS;
    const known = seen ? this.openAlready(connection, raw, true) : null;
    return this.checked(connection, known ?? (await this.open(connection, raw)), uidValidity);
  }

  private openAlready(connection: ImapConnection, raw: string, readOnly: boolean): MailboxState | null {
    const { selected } = connection;
    const fits = selected?.raw === raw && (readOnly || !selected.readOnly);
    return (fits ? this.states.get(connection) : undefined) ?? null;
  }

  private checked(connection: ImapConnection, state: MailboxState, uidValidity: number): MailboxState {
    if (state.uidValidity === uidValidity) return state;
    connection.selected = null;
    throw new TransferError('The server has numbered the folder anew.', {
      side: this.context.side,
      scope: 'folder',
      retry: 'later',
      code: 'EPOCH_CHANGED',
    });
  }
}
