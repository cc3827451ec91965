import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { reasonFor } from '../jobs/messages.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import type { Permit, TakePermit } from '../protocols/permit.js';

/** How often somebody who can only wait looks again, and how long a refusal counts for whoever can do without (ms). */
const LOOK_MS = 500;
const REFUSED_MS = 2_000;
/** After this a run is handed back, so that its place goes to one that can work (ms). */
const LONGEST_WAIT_MS = 60_000;
const TRY_AGAIN_MS = 30_000;
/** Renewals in one lifetime of a slot. */
const BEATS = 4;

/** Whose connections are counted together. */
export interface SlotPlace {
  /** Lower case, as jobs name it. */
  readonly host: string;
  /** Hashed name of the account. */
  readonly account: string;
  /** Connections to the account, at most. */
  readonly most: number;
}

/**
 * Connections to old servers, counted over all jobs of all workers. The truth is a row for each in Postgres, with an end by
 * its clock: a killed worker's slots come back by themselves. It costs a query when a connection is opened and one when it is
 * closed, and one a beat for all of a process.
 */
@Injectable()
export class SourceSlots implements OnApplicationShutdown {
  private readonly holder = randomUUID();
  private readonly held = new Map<string, AbortController>();
  private readonly ttlMs: number;
  private timer: NodeJS.Timeout | null = null;
  /** Our own monotonic clock, from before the database was asked (ms). */
  private renewedAt = 0;

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
  ) {
    this.ttlMs = options.worker.lease.ttlMs;
  }

  /** @param say told once when it has to wait. */
  permits(place: SlotPlace, say: (text: string) => void = () => undefined): TakePermit {
    let refusedAt = -Infinity;
    return async (alone, signal) => {
      if (!alone) {
        if (performance.now() - refusedAt < REFUSED_MS) return null;
        const permit = await this.tryTake(place, false);
        if (permit === null) refusedAt = performance.now();
        return permit;
      }
      const end = performance.now() + LONGEST_WAIT_MS;
      for (let said = false; ; said = true) {
        signal.throwIfAborted();
        const permit = await this.tryTake(place, true);
        if (permit !== null) return permit;
        if (!said) say('waits until the old server may be asked: other migrations use all connections to it');
        if (performance.now() > end) throw busy();
        await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
      }
    };
  }

  onApplicationShutdown(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Null: none is free, or the database is away. */
  private async tryTake(place: SlotPlace, alone: boolean): Promise<Permit | null> {
    const askedAt = performance.now();
    const id = await this.insert(place, alone).catch(() => null);
    if (id === null) return null;
    if (this.held.size === 0) this.renewedAt = askedAt;
    const loss = new AbortController();
    this.held.set(id, loss);
    this.timer ??= setInterval(() => void this.beat(), this.ttlMs / BEATS).unref();
    return {
      lost: loss.signal,
      release: () => {
        if (!this.held.delete(id)) return;
        // If this fails, the slot ends by itself.
        void this.db.query(`DELETE FROM mailferry.source_slots WHERE id = $1`, [id]).catch(() => undefined);
      },
    };
  }

  /** The last slot of a host is for somebody who has none: one job must not keep all others of that host waiting. */
  private insert({ host, account, most }: SlotPlace, alone: boolean): Promise<string | null> {
    const { hostLimits, hostConnections } = this.options.worker;
    const limit = Object.hasOwn(hostLimits, host) ? hostLimits[host]! : hostConnections;
    return this.db.transaction(async (manager) => {
      await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 13))`, [host]);
      await manager.query(`DELETE FROM mailferry.source_slots WHERE host = $1 AND until <= clock_timestamp()`, [host]);
      const [row]: { id: string }[] = await manager.query(
        `INSERT INTO mailferry.source_slots (host, account, holder, until)
         SELECT $1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond'
         WHERE (SELECT count(*) FROM mailferry.source_slots WHERE host = $1) < $5
           AND (SELECT count(*) FROM mailferry.source_slots WHERE host = $1 AND account = $2) < $6
         RETURNING id`,
        [host, account, this.holder, this.ttlMs, alone ? limit : Math.max(1, limit - 1), most],
      );
      return row?.id ?? null;
    });
  }

  private async beat(): Promise<void> {
    const before = [...this.held.keys()];
    if (before.length === 0) {
      if (this.timer !== null) clearInterval(this.timer);
      this.timer = null;
      return;
    }
    const askedAt = performance.now();
    try {
      const [rows] = await this.db.query<[{ id: string }[], number]>(
        `UPDATE mailferry.source_slots SET until = clock_timestamp() + $2 * interval '1 millisecond'
         WHERE holder = $1 AND until > clock_timestamp() RETURNING id`,
        [this.holder, this.ttlMs],
      );
      this.renewedAt = askedAt;
      const ours = new Set(rows.map(({ id }) => id));
      for (const id of before) if (!ours.has(id)) this.lose(id);
    } catch {
      // The database is away; after a lifetime without a renewal somebody else may have them.
      if (performance.now() - this.renewedAt > this.ttlMs) for (const id of before) this.lose(id);
    }
  }

  private lose(id: string): void {
    const loss = this.held.get(id);
    this.held.delete(id);
    loss?.abort();
  }
}

function busy(): TransferError {
  return new TransferError(reasonFor('HOST_BUSY').message, {
    side: 'source',
    scope: 'account',
    retry: 'later',
    retryAfterMs: TRY_AGAIN_MS,
    code: 'HOST_BUSY',
  });
}
