import type { Duplex } from 'node:stream';
import { ImapFailure } from './failure.js';
import { WIRE_LIMITS } from './limits.js';
import type { Response, ResponseCode, Value } from './parse.js';
import {
  type CommandHooks,
  type Completion,
  type Pending,
  PendingCommands,
  patience,
  type WriteCommand,
} from './pending.js';
import { type LiteralTaker, ResponseReader } from './response-reader.js';
import { Standstill } from './standstill.js';
import { Trace } from './trace.js';
import { ServerTraits } from './traits.js';
import { Wire } from './wire.js';
import { CommandWriter } from './writer.js';

/** The mailbox a connection has open. */
export interface Selected {
  /** As the server spells it, one character a byte. */
  readonly raw: string;
  readonly readOnly: boolean;
}

/**
 * A signed-in IMAP session with any number of commands under way. Commands leave in the order of the calls; every answer
 * is bounded; whatever is not IMAP, an unexpected BAD, a BYE or a standstill ends the session and rejects all commands.
 */
export class ImapConnection {
  selected: Selected | null = null;
  /** UID came after the body in a FETCH answer: bodies are asked for one by one. */
  uidAfterBody = false;
  /** The shortest time from a command to its answer (ms): hardly more than the round trip. */
  fastestMs = Infinity;
  /** Monotonic moment of the last command's end (ms). */
  idleSince = performance.now();
  private readonly answers: ResponseReader;
  private readonly standstill: Standstill;
  private readonly pending = new PendingCommands();
  private counter = 0;
  private strays = 0;
  private writing: Promise<unknown> = Promise.resolve();
  private writer: 'idle' | 'ours' | 'server' = 'idle';
  private leaving = false;
  private ended: unknown = null;
  private trace: Trace | null = null;
  private readonly broken: Promise<never>;
  private breakNow: (error: unknown) => void = () => undefined;

  constructor(
    private readonly socket: Duplex,
    readonly capabilities: Set<string>,
    /** Masks secrets in what the server says. */
    private readonly scrub: (text: string) => string = (text) => text,
    /** Shared by all connections of the account. */
    readonly traits: ServerTraits = new ServerTraits(),
  ) {
    this.broken = new Promise<never>((_, reject) => {
      this.breakNow = reject;
    });
    this.broken.catch(() => undefined);
    const wire: Wire = new Wire(socket, () => this.standstill.touch());
    this.standstill = new Standstill(
      () => this.pending.quietMs,
      () => !wire.waiting || this.writer === 'ours',
      () => this.end(new ImapFailure('quiet', 'the server stopped answering'), null),
    );
    this.answers = new ResponseReader(wire, (prefix, size) => this.takerFor(prefix, size));
    void this.read();
  }

  /** From now on `say` hears commands and answers in short. After the sign-in: what is sent there is nobody's business. */
  traceTo(say: ((line: string) => void) | null): void {
    this.trace = say === null ? null : new Trace(say, this.scrub);
  }

  get closed(): boolean {
    return this.ended !== null;
  }

  /** Commands under way that somebody waits for. */
  get busy(): number {
    return this.pending.awaited;
  }

  has(capability: string): boolean {
    return this.capabilities.has(capability);
  }

  /** Sends one line. @throws ImapFailure */
  command(line: string, hooks: CommandHooks = {}): Promise<Completion> {
    const label = line.slice(0, 40);
    return this.run(
      label,
      async (out) => {
        out.text(`${line}\r\n`);
        await out.flush();
      },
      hooks,
      line,
    );
  }

  /** Sends a command that `write` writes. Resolves with the tagged OK. @throws ImapFailure */
  async run(label: string, write: WriteCommand, hooks: CommandHooks = {}, said = label): Promise<Completion> {
    if (this.traits.pace.exhausted && !this.leaving) throw slowedDown();
    if (this.ended !== null) throw this.ended;
    const tag = `F${++this.counter}`;
    const done = new Promise<Completion>((resolve, reject) => {
      const command: Pending = { tag, label, said, hooks, resolve, reject, goAhead: null };
      this.pending.queue(command);
      this.writing = this.writing.then(() => this.write(command, write));
      this.standstill.watch(patience(command));
    });
    const from = performance.now();
    try {
      return await done;
    } finally {
      this.idleSince = performance.now();
      this.fastestMs = Math.min(this.fastestMs, this.idleSince - from);
    }
  }

  private async write(command: Pending, write: WriteCommand): Promise<void> {
    if (this.traits.pace.pause > 0) await this.traits.pace.wait(this.broken);
    this.pending.add(command);
    if (this.ended !== null) {
      this.pending.take(command.tag);
      return command.reject(this.ended);
    }
    this.trace?.sent(command.tag, command.said);
    this.standstill.touch();
    this.standstill.watch(patience(command));
    const nextContinuation = (): Promise<void> =>
      new Promise((resolve, reject) => {
        if (this.ended !== null) reject(this.ended);
        else if (!this.pending.has(command)) reject(new ImapFailure('protocol', 'the server answered too early'));
        else command.goAhead = { resolve, reject };
      });
    const literals = this.has('LITERAL+') ? 'all' : this.has('LITERAL-') ? 'small' : 'synchronising';
    const waiting = (forServer: boolean): void => {
      this.writer = forServer ? 'server' : 'ours';
      this.standstill.touch();
    };
    const out = new CommandWriter(this.socket, waiting, this.broken, nextContinuation, literals);
    this.writer = 'ours';
    try {
      out.text(`${command.tag} `);
      await write(out);
      await out.flush();
    } catch (error) {
      // A NO before the literal ends the command alone; anything else leaves half a command on the wire.
      if (!(error instanceof ImapFailure && error.kind === 'refused' && !this.pending.has(command))) {
        this.end(error, command);
      }
    } finally {
      this.writer = 'idle';
      this.standstill.touch();
    }
  }

  private async read(): Promise<void> {
    try {
      for (;;) this.dispatch(await this.answers.next());
    } catch (error) {
      this.end(error, null);
    }
  }

  private takerFor(prefix: readonly Value[], size: number): LiteralTaker | null {
    for (const command of this.pending.begun()) {
      const take = command.hooks.onLiteral?.(prefix, size);
      if (take == null) continue;
      return async (bytes) => {
        try {
          await take(bytes);
        } catch (error) {
          this.end(error, command);
          throw error;
        }
        this.standstill.touch();
      };
    }
    return null;
  }

  private dispatch(response: Response): void {
    this.trace?.heard(response);
    if (response.is === 'tagged') return this.complete(response);
    if (response.is === 'continue') return this.goAhead();
    if (response.is === 'data' && response.name === 'CAPABILITY') this.learn(response.values);
    if (response.is === 'status') {
      if (response.status === 'BYE') {
        if (this.leaving) return;
        throw this.failure('bye', 'the server said goodbye', response);
      }
      if (response.status === 'BAD') throw this.failure('bad', 'the server did not understand us', response);
      if (response.status === 'PREAUTH') throw new ImapFailure('protocol', 'the server greeted twice');
    }
    for (const command of this.pending.begun()) {
      if (command.hooks.onUntagged?.(response) === true) return;
    }
    if (++this.strays > WIRE_LIMITS.strayResponses) {
      throw new ImapFailure('too-large', 'the server kept talking about something else');
    }
  }

  private complete(response: Extract<Response, { is: 'tagged' }>): void {
    const command = this.pending.take(response.tag);
    if (command === undefined) throw new ImapFailure('protocol', 'the server answered a command we did not send');
    this.strays = 0;
    this.answers.commandDone();
    if (response.code?.name === 'CAPABILITY') this.learn(response.code.rest.split(' '));
    if (response.status === 'OK') {
      if (command.goAhead !== null) {
        const failure = new ImapFailure('protocol', 'the server accepted what it did not receive');
        command.goAhead.reject(failure);
        command.reject(failure);
        throw failure;
      }
      this.traits.pace.noticed(response.text, response.code?.name ?? null);
      command.resolve({ code: response.code, text: this.scrub(response.text) });
      return;
    }
    const refused = response.status === 'NO';
    const words = refused ? 'the server refused' : 'the server did not understand';
    const failure = this.failure(refused ? 'refused' : 'bad', `${words}: ${command.label}`, response);
    command.reject(failure);
    command.goAhead?.reject(failure);
    command.goAhead = null;
    if (!refused) throw failure;
  }

  private goAhead(): void {
    if (!this.pending.goAhead())
      throw new ImapFailure('protocol', 'the server asked for something we did not announce');
  }

  private learn(words: readonly Value[]): void {
    this.capabilities.clear();
    for (const word of words) if (typeof word === 'string') this.capabilities.add(word.toUpperCase());
  }

  private failure(
    kind: 'refused' | 'bad' | 'bye',
    message: string,
    said: { code: ResponseCode | null; text: string },
  ): ImapFailure {
    const serverText = this.scrub(said.code === null ? said.text : `[${said.code.name}] ${said.text}`);
    return new ImapFailure(kind, message, { responseCode: said.code?.name ?? null, serverText });
  }

  /** @param culprit the command the error belongs to; the others learn that the connection is gone. */
  private end(error: unknown, culprit: Pending | null): void {
    if (this.ended !== null) {
      if (culprit !== null && this.pending.take(culprit.tag) !== undefined) culprit.reject(error);
      return;
    }
    this.ended =
      error instanceof ImapFailure ? error : new ImapFailure('closed', 'the connection was given up', { cause: error });
    this.trace?.ended((this.ended as ImapFailure).message);
    this.standstill.stop();
    this.breakNow(this.ended);
    for (const command of this.pending.takeAll()) {
      const reason = command === culprit ? error : this.ended;
      command.reject(reason);
      command.goAhead?.reject(reason);
    }
    this.socket.destroy();
  }

  /** Ends the connection at once; commands under way reject with the error. */
  destroy(error: unknown = new ImapFailure('closed', 'we closed the connection')): void {
    this.end(error, null);
  }

  /** Says goodbye, for at most `ms`. Never throws. */
  async logout(ms = 3_000): Promise<void> {
    if (this.ended !== null) return;
    this.leaving = true;
    const timer = setTimeout(() => this.destroy(), ms);
    await this.command('LOGOUT').catch(() => undefined);
    clearTimeout(timer);
    this.destroy();
  }
}

/** For whoever sends the next command, not for the one that was answered: that one is done. */
function slowedDown(): ImapFailure {
  return new ImapFailure('bye', 'the server slows us down too much', { responseCode: 'THROTTLED' });
}
