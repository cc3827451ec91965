import type { Duplex } from 'node:stream';
import { ImapFailure } from './failure.js';
import { QUIET_MS, WIRE_LIMITS } from './limits.js';
import {
  announcesLiteral,
  isStatusLine,
  parsePrefix,
  parseResponse,
  type Piece,
  type Response,
  type ResponseCode,
  Streamed,
  type Value,
} from './parse.js';
import { ServerTraits } from './traits.js';
import { LiteralStream, Wire } from './wire.js';
import { CommandWriter } from './writer.js';

export type DataResponse = Extract<Response, { is: 'data' }>;
export type StatusResponse = Extract<Response, { is: 'status' }>;
export type Completion = { readonly code: ResponseCode | null; readonly text: string };

/** Takes a literal while it arrives. What it leaves unread is thrown away. Rejecting ends the connection. */
export type LiteralTaker = (bytes: LiteralStream) => Promise<void>;

export interface CommandHooks {
  /** An untagged answer while the command is under way; true: it was meant for this command. */
  onUntagged?(response: DataResponse | StatusResponse): boolean;
  /** A literal is about to arrive. `prefix` is what the answer said before it. Null: not for this command. */
  onLiteral?(prefix: readonly Value[], size: number): LiteralTaker | null;
  /** Opens a mailbox: what comes before its own answer is not meant for the commands behind it. */
  readonly barrier?: boolean;
  /** Nobody waits for the answer: whoever takes the connection next need not either. */
  readonly aside?: boolean;
  /** No progress for this long ends the connection (ms). */
  quietMs?: number;
}

/** Writes a command after its tag, the final CRLF included. */
export type WriteCommand = (out: CommandWriter) => Promise<void>;

interface Pending {
  readonly tag: string;
  readonly label: string;
  /** What the protocol log shows of it. */
  readonly said: string;
  readonly hooks: CommandHooks;
  readonly resolve: (done: Completion) => void;
  readonly reject: (error: unknown) => void;
  goAhead: { resolve: () => void; reject: (error: unknown) => void } | null;
}

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
  private readonly wire: Wire;
  private readonly pending = new Map<string, Pending>();
  private counter = 0;
  private strays = 0;
  /** Bytes of answers since a command was last completed. */
  private talked = 0;
  private writing: Promise<unknown> = Promise.resolve();
  private writer: 'idle' | 'ours' | 'server' = 'idle';
  private progressAt = performance.now();
  private timer: NodeJS.Timeout | null = null;
  private leaving = false;
  private ended: unknown = null;
  private say: ((line: string) => void) | null = null;
  private readonly heard = new Map<string, number>();
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
    this.wire = new Wire(socket, () => this.touch());
    void this.read();
  }

  /** From now on `say` hears commands and answers in short. After the sign-in: what is sent there is nobody's business. */
  traceTo(say: ((line: string) => void) | null): void {
    this.say = say;
  }

  get closed(): boolean {
    return this.ended !== null;
  }

  /** Commands under way that somebody waits for. */
  get busy(): number {
    return [...this.pending.values()].filter(({ hooks }) => hooks.aside !== true).length;
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
      this.writing = this.writing.then(() => this.write(command, write));
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
    if (this.ended !== null) return command.reject(this.ended);
    this.pending.set(command.tag, command);
    this.say?.(`> ${command.tag} ${command.said}`);
    this.touch();
    this.arm();
    const nextContinuation = (): Promise<void> =>
      new Promise((resolve, reject) => {
        if (this.ended !== null) reject(this.ended);
        else if (!this.pending.has(command.tag)) reject(new ImapFailure('protocol', 'the server answered too early'));
        else command.goAhead = { resolve, reject };
      });
    const literals = this.has('LITERAL+') ? 'all' : this.has('LITERAL-') ? 'small' : 'synchronising';
    const waiting = (forServer: boolean): void => {
      this.writer = forServer ? 'server' : 'ours';
      this.touch();
    };
    const out = new CommandWriter(this.socket, waiting, this.broken, nextContinuation, literals);
    this.writer = 'ours';
    try {
      out.text(`${command.tag} `);
      await write(out);
      await out.flush();
    } catch (error) {
      // A NO before the literal ends the command alone; anything else leaves half a command on the wire.
      if (!(error instanceof ImapFailure && error.kind === 'refused' && !this.pending.has(command.tag))) {
        this.end(error, command);
      }
    } finally {
      this.writer = 'idle';
      this.touch();
    }
  }

  private async read(): Promise<void> {
    try {
      for (;;) this.dispatch(await this.response());
    } catch (error) {
      this.end(error, null);
    }
  }

  private async response(): Promise<Response> {
    const pieces: Piece[] = [];
    let kept = 0;
    for (;;) {
      const line = this.wire.tryLine() ?? (await this.wire.line());
      kept += line.length;
      this.talked += line.length;
      const endless = this.talked > WIRE_LIMITS.talkBytes || pieces.length > WIRE_LIMITS.pieces;
      if (kept > WIRE_LIMITS.responseBytes || endless) {
        throw new ImapFailure('too-large', 'the server sent too long an answer');
      }
      const literal = pieces.length === 0 && isStatusLine(line) ? null : announcesLiteral(line);
      pieces.push(literal === null ? line : literal.text);
      if (literal === null) return parseResponse(pieces);
      const piece = await this.literal(pieces, literal.size);
      if (!(piece instanceof Streamed)) {
        kept += piece.length;
        this.talked += piece.length;
      }
      pieces.push(piece);
    }
  }

  private async literal(pieces: readonly Piece[], size: number): Promise<Buffer | Streamed> {
    const prefix = parsePrefix(pieces);
    for (const command of this.begun()) {
      const taker = command.hooks.onLiteral?.(prefix, size);
      if (taker == null) continue;
      const bytes = new LiteralStream(this.wire, size);
      try {
        await taker(bytes);
      } catch (error) {
        this.end(error, command);
        throw error;
      }
      await bytes.drain();
      this.touch();
      return new Streamed(size);
    }
    if (size > WIRE_LIMITS.keptLiteralBytes) {
      throw new ImapFailure('too-large', `the server announced ${size} bytes where a few were due`);
    }
    return this.wire.exactly(size);
  }

  private dispatch(response: Response): void {
    if (this.say !== null) this.hear(response);
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
    for (const command of this.begun()) {
      if (command.hooks.onUntagged?.(response) === true) return;
    }
    if (++this.strays > WIRE_LIMITS.strayResponses) {
      throw new ImapFailure('too-large', 'the server kept talking about something else');
    }
  }

  /** Commands that the server can have begun to answer. */
  private *begun(): Generator<Pending> {
    for (const command of this.pending.values()) {
      yield command;
      if (command.hooks.barrier === true) return;
    }
  }

  /** Untagged data is counted and not shown: it may be what somebody wrote. */
  private hear(response: Response): void {
    if (response.is === 'data') {
      this.heard.set(response.name, (this.heard.get(response.name) ?? 0) + 1);
      return;
    }
    if (response.is === 'continue') return;
    const data = [...this.heard].map(([name, count]) => `${count} ${name}`).join(', ');
    this.heard.clear();
    const code = response.code === null ? '' : `[${response.code.name} ${response.code.rest.slice(0, 80)}] `;
    const tag = response.is === 'tagged' ? response.tag : '*';
    this.say?.(`< ${tag} ${response.status} ${code}${this.scrub(response.text)}${data === '' ? '' : ` (${data})`}`);
  }

  private complete(response: Extract<Response, { is: 'tagged' }>): void {
    const command = this.pending.get(response.tag);
    if (command === undefined) throw new ImapFailure('protocol', 'the server answered a command we did not send');
    this.pending.delete(response.tag);
    this.strays = 0;
    this.talked = 0;
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
    for (const command of this.pending.values()) {
      if (command.goAhead === null) continue;
      const { resolve } = command.goAhead;
      command.goAhead = null;
      return resolve();
    }
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

  private touch(): void {
    this.progressAt = performance.now();
  }

  /** One timer that looks again, instead of one that is set anew with every packet. */
  private arm(): void {
    if (this.timer !== null || this.ended !== null) return;
    const check = (): void => {
      this.timer = null;
      if (this.ended !== null || this.pending.size === 0) return;
      const limit = this.quietLimit();
      const ours = !this.wire.waiting || this.writer === 'ours';
      const quiet = ours ? 0 : performance.now() - this.progressAt;
      if (quiet >= limit) {
        this.end(new ImapFailure('quiet', 'the server stopped answering'), null);
        return;
      }
      this.timer = setTimeout(check, Math.max(10, limit - quiet));
    };
    this.timer = setTimeout(check, this.quietLimit());
  }

  private quietLimit(): number {
    let limit = 0;
    for (const command of this.pending.values()) limit = Math.max(limit, command.hooks.quietMs ?? QUIET_MS);
    return limit;
  }

  /** @param culprit the command the error belongs to; the others learn that the connection is gone. */
  private end(error: unknown, culprit: Pending | null): void {
    if (this.ended !== null) {
      if (culprit !== null && this.pending.delete(culprit.tag)) culprit.reject(error);
      return;
    }
    this.ended =
      error instanceof ImapFailure ? error : new ImapFailure('closed', 'the connection was given up', { cause: error });
    this.say?.(`- ended: ${(this.ended as ImapFailure).message}`);
    if (this.timer !== null) clearTimeout(this.timer);
    this.breakNow(this.ended);
    const commands = [...this.pending.values()];
    this.pending.clear();
    for (const command of commands) {
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
