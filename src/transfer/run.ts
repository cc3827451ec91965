import { setMaxListeners } from 'node:events';
import type { Destination, DestinationFacts } from '../destinations/destination.js';
import type { Lease, LedgerSession } from '../ledger/ledger.js';
import type { DestinationFolderId, FolderId } from '../mailbox/folder.js';
import type { Source, SourceFacts } from '../sources/source.js';
import type { Step, TransferListener, TransferOptions, TransferParts } from './contract.js';
import type { FlagWishes } from './flag-wish.js';
import { SourceChanges } from './source-changes.js';
import { Stopped } from './stopping.js';
import { Width } from './width.js';

const MOST_LISTENERS = 1_000;
/** How long a batch on the wire may go on after a person or the process asked to stop. */
const STOP_GRACE_MS = 10_000;
/** Numbers go to the listener this often at most; the last ones always do. */
const COUNTED_EVERY_MS = 1_000;

/** What every part of one run shares. */
export class Run {
  readonly source: Source;
  readonly destination: Destination;
  readonly listener: TransferListener;
  /** Ends reading and waiting: somebody asked to stop, or the run is broken. */
  readonly signal: AbortSignal;
  /** Ends what is on the wire: the run is broken, or the grace after a stop is over. */
  readonly storing: AbortSignal;
  /** Folders with writes whose outcome is unknown: with one left, late landings are waited for before the release. */
  readonly unsure = new Set<DestinationFolderId>();
  /** Folders that could not be listed or written as a whole: the run is incomplete, and nothing is set aside. */
  readonly brokenFolders = new Set<FolderId>();
  readonly sourceChanges: SourceChanges;
  /** Of the lane that each source folder goes through. */
  readonly flagWishes = new Map<FolderId, FlagWishes>();
  /** Items the source listed in this run. */
  listedItems = 0;
  /** Folders of which the source listed something in this run. */
  readonly shown = new Set<FolderId>();
  readonly width = new Width();
  /** Items that changed at the source and could not be followed: the run is incomplete. */
  notUpdated = 0;
  /** Items that were read back right after they were stored. */
  readBack = 0;
  private readonly broken = new AbortController();
  private readonly grace = new AbortController();
  private countedAt = 0;

  constructor(
    readonly parts: TransferParts,
    readonly options: TransferOptions,
    readonly ledger: LedgerSession,
    readonly lease: Lease,
    readonly stop: AbortSignal,
    readonly sourceFacts: SourceFacts,
    readonly destinationFacts: DestinationFacts,
  ) {
    this.sourceChanges = new SourceChanges(ledger);
    this.source = parts.source;
    this.destination = parts.destination;
    this.listener = parts.listener;
    this.signal = AbortSignal.any([stop, lease.lost, this.broken.signal]);
    this.storing = AbortSignal.any([lease.lost, this.broken.signal, this.grace.signal]);
    // Every command of every lane listens for a moment.
    setMaxListeners(MOST_LISTENERS, this.signal, this.storing);
    const startGrace = () => setTimeout(() => this.grace.abort(stop.reason), STOP_GRACE_MS).unref();
    if (stop.aborted) startGrace();
    else stop.addEventListener('abort', startGrace, { once: true });
  }

  /** The first error of one lane ends the others. */
  break(error: unknown): void {
    if (!this.broken.signal.aborted) this.broken.abort(error);
  }

  /** Between two pieces of work. @throws Stopped, LeaseLost, or what broke the run. */
  check(): void {
    if (this.lease.lost.aborted) throw leaseLost(this.lease.lost);
    if (this.broken.signal.aborted) throw this.broken.signal.reason;
    if (this.stop.aborted) throw new Stopped();
  }

  readonly mayCommit = (): boolean => !this.storing.aborted && this.lease.mayCommit();

  async step(step: Step): Promise<void> {
    await this.parts.step?.(step);
  }

  now(): Date {
    return this.parts.now?.() ?? new Date();
  }

  /** Waits, or throws what check() throws as soon as there is a reason. */
  async delay(ms: number): Promise<void> {
    await (this.parts.delay ?? sleep)(ms, this.signal);
    this.check();
  }

  async counted(folder: FolderId, always = false): Promise<void> {
    const now = this.now().getTime();
    if (!always && now - this.countedAt < COUNTED_EVERY_MS) return;
    this.countedAt = now;
    const counts = (await this.ledger.counts()).get(folder);
    if (counts) this.listener.counted(folder, counts);
  }
}

/** The ledger's own error where the lease gives it, so that the caller can tell it from a bug. */
export function leaseLost(lost: AbortSignal): Error {
  if (isLeaseLost(lost.reason)) return lost.reason;
  const error = new Error('another worker holds this mailbox now');
  error.name = 'LeaseLost';
  return error;
}

/** By name: the engine imports no code of the ledger. */
export function isLeaseLost(error: unknown): error is Error {
  return error instanceof Error && error.name === 'LeaseLost';
}

export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
