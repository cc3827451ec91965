import { setTimeout as pause } from 'node:timers/promises';
import type { TransferError } from '../../mailbox/transfer-error.js';
import { type EwsErrorContext, toTransferError } from '../../protocols/ews/failure.js';
import type { EwsTransport } from '../../protocols/ews/transport.js';

/** Connections that one question may use up. */
const TRIES = 3;
const PAUSE_MS = 250;

/** One account at an Exchange server, with what its errors mean. */
export class EwsClient {
  constructor(
    readonly transport: EwsTransport,
    private readonly errors: EwsErrorContext,
  ) {}

  toError(error: unknown): TransferError {
    return toTransferError(error, this.errors);
  }

  /** Does a piece of work that may be repeated. @throws TransferError; the signal's reason. */
  async repeatable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        const told = this.toError(error);
        // A busy server was waited for already, as long as it may be here.
        const again =
          told.scope === 'connection' && told.code !== 'SERVER_BUSY' && told.code !== 'TOO_MANY_CONNECTIONS';
        if (!again || told.retryAfterMs !== undefined || tries >= TRIES) throw told;
        await pause(PAUSE_MS * tries, undefined, { signal });
      }
    }
  }
}
