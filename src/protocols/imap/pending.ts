import { QUIET_MS } from './limits.js';
import type { Response, ResponseCode, Value } from './parse.js';
import type { LiteralTaker } from './response-reader.js';
import type { CommandWriter } from './writer.js';

export type DataResponse = Extract<Response, { is: 'data' }>;
export type StatusResponse = Extract<Response, { is: 'status' }>;
export type Completion = { readonly code: ResponseCode | null; readonly text: string };

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

/** A command that has left, or is leaving, and is not answered yet. */
export interface Pending {
  readonly tag: string;
  readonly label: string;
  /** What the protocol log shows of it. */
  readonly said: string;
  readonly hooks: CommandHooks;
  readonly resolve: (done: Completion) => void;
  readonly reject: (error: unknown) => void;
  /** Waits for the server's leave to go on with a literal. */
  goAhead: { resolve: () => void; reject: (error: unknown) => void } | null;
}

/** The commands under way on one connection, in the order in which they left. */
export class PendingCommands {
  private readonly byTag = new Map<string, Pending>();
  /** Not on the wire yet: one before them is being written, and may have been refused early and not be read any more. */
  private readonly queued = new Set<Pending>();

  /** It leaves when those before it have left. */
  queue(command: Pending): void {
    this.queued.add(command);
  }

  /** It leaves. */
  add(command: Pending): void {
    this.queued.delete(command);
    this.byTag.set(command.tag, command);
  }

  has({ tag }: Pending): boolean {
    return this.byTag.has(tag);
  }

  /** @returns the command, which is not under way any more. */
  take(tag: string): Pending | undefined {
    const command = this.byTag.get(tag);
    this.byTag.delete(tag);
    return command;
  }

  takeAll(): Pending[] {
    const commands = [...this.byTag.values()];
    this.byTag.clear();
    return commands;
  }

  /** How many somebody waits for. */
  get awaited(): number {
    return [...this.byTag.values()].filter(({ hooks }) => hooks.aside !== true).length;
  }

  /** How long the server may be silent (ms): as long as the most patient one allows; 0: none is under way or waits to leave. */
  get quietMs(): number {
    let limit = 0;
    for (const command of [...this.byTag.values(), ...this.queued]) limit = Math.max(limit, patience(command));
    return limit;
  }

  /** Those that the server can have begun to answer. */
  *begun(): Generator<Pending> {
    for (const command of this.byTag.values()) {
      yield command;
      if (command.hooks.barrier === true) return;
    }
  }

  /** The first that waits for the server's leave has it. False: none does. */
  goAhead(): boolean {
    for (const command of this.byTag.values()) {
      if (command.goAhead === null) continue;
      const { resolve } = command.goAhead;
      command.goAhead = null;
      resolve();
      return true;
    }
    return false;
  }
}

/** How long the server may be silent about a command (ms). */
export function patience({ hooks }: Pick<Pending, 'hooks'>): number {
  return hooks.quietMs ?? QUIET_MS;
}
