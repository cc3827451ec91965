/** The right to have one connection open. */
export interface Permit {
  /** Aborted when somebody else may have it now: the connection must go. */
  readonly lost: AbortSignal;
  /** When the connection is closed. May be called twice. */
  release(): void;
}

/**
 * Asked before a connection is opened.
 * @param alone true: the account has no other connection, so it waits; false: null when there is none at the moment.
 * @throws TransferError when waiting was of no use; the signal's reason when that aborts.
 */
export type TakePermit = (alone: boolean, signal: AbortSignal) => Promise<Permit | null>;
