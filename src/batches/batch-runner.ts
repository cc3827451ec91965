import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource, EntityManager } from 'typeorm';
import { JobError, type Actor } from '../jobs/contract.js';
import { JobsService } from '../jobs/jobs.service.js';
import { LinkSender } from '../jobs/link-sender.js';
import { Outbox } from '../jobs/outbox.js';
import { visibilityOf } from '../jobs/visibility.js';
import { oneAtATime } from '../database/one-at-a-time.js';
import type { HostPanel } from '../panel/host-panel.js';
import { inTime } from '../panel/in-time.js';
import { HOST_PANEL } from '../panel/options.js';
import { BatchActions, needsYou } from './batch-actions.js';
import { lockAgain, mayUse, READY, type BatchRecord } from './batch-record.js';
import { halt, keepHours } from './batch-rest.js';
import { GOES_ON, Overtaken, takeMark, type Wanted } from './batch-step.js';
import { BatchTester } from './batch-tester.js';
import { ASK_AGAIN_MS, dueBatches, NOBODY_ACTED_MS, stoppingBatches } from './due-batches.js';
import { signInsOf } from './sign-ins.js';
import { carefully, whyStop } from './stopping.js';
import { LOCKS } from '../database/locks.js';

/** Migrations of one batch that are started in one round; five times as many are paused or cancelled. */
const STEPS = 20;
/** The panel is away, or stumbles over everybody: the rest waits for the next round. */
const STUMBLES = 3;
const PANEL_MS = 10_000;

/**
 * Makes of what is wanted of batches what their migrations do, through the same door as a person: at most so many at once,
 * in the allowed hours, pass after pass. Everything it knows is in Postgres, so that any worker can go on.
 */
@Injectable()
export class BatchRunner {
  private readonly logger = new Logger('mailferry:batches');
  private readonly asked = new Map<string, number>();

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(JobsService) private readonly jobs: JobsService,
    @Inject(Outbox) private readonly outbox: Outbox,
    @Inject(BatchActions) private readonly actions: BatchActions,
    @Inject(BatchTester) private readonly tester: BatchTester,
    @Inject(LinkSender) private readonly sender: LinkSender,
  ) {}

  /** @returns false when another worker does it right now. */
  async tick(): Promise<boolean> {
    const mine = await oneAtATime(this.db, LOCKS.batches, () => this.round());
    // Mail may take its time: meanwhile another worker looks after the batches.
    await this.sender.send();
    return mine;
  }

  private async round(): Promise<void> {
    // Whoever stops something wants it to stop, however many batches are at work.
    await this.each(await stoppingBatches(this.db), (batch) => this.stop(batch));
    await this.each(await dueBatches(this.db), (batch) => this.look(batch));
  }

  private async each(batches: readonly BatchRecord[], work: (batch: BatchRecord) => Promise<void>): Promise<void> {
    for (const batch of batches) {
      try {
        await work(batch);
      } catch (error) {
        // One batch's trouble is not the others'.
        this.logger.error(`batch ${batch.id}: ${(error as Error).stack}`);
      }
    }
  }

  private async look(batch: BatchRecord): Promise<void> {
    const who = await this.actor(batch);
    if (who === null) return this.halt(batch, 'BATCH_NOT_ALLOWED');
    if (batch.state === 'active' && secretsEnd(batch)) return this.halt(batch, 'SECRETS_END');
    if (batch.testing) await this.tester.go(batch, who);
    if (batch.state !== 'active') return;
    if (batch.startAt !== null && batch.startAt.getTime() > Date.now()) return;
    if (!(await keepHours(this.db, batch))) return;
    await this.feed(batch, who);
    await this.pass(batch);
  }

  private async stop(batch: BatchRecord): Promise<void> {
    const who = systemActor(batch);
    for (const row of await this.wanted(batch.id, ['pause', 'cancel'], STEPS * 5, false))
      await this.step(batch, who, row).catch(unlessOvertaken);
  }

  /** Null: whoever started it may not any more. The panel is asked, for each round that starts something. */
  private async actor(batch: BatchRecord): Promise<Actor | null> {
    const last = this.asked.get(batch.id) ?? 0;
    const busy = batch.testing || (await this.wanted(batch.id, GOES_ON, 1, false)).length > 0;
    if (!busy && Date.now() - last < ASK_AGAIN_MS) return systemActor(batch);
    const principal = await inTime(() => this.panel.currentPrincipal(batch.principal), PANEL_MS);
    if (principal === null) return null;
    const visibility = await inTime(() => visibilityOf(this.panel, principal), PANEL_MS);
    if (principal.tenantId !== batch.tenant || !mayUse(visibility, batch.domain)) return null;
    this.asked.set(batch.id, Date.now());
    return { sub: principal.sub, tenant: batch.tenant, visibility, principal, scheduled: true };
  }

  private async feed(batch: BatchRecord, who: Actor): Promise<void> {
    const rows = await this.wanted(batch.id, GOES_ON, STEPS, true);
    if (rows.length === 0) return;
    const { busy, ...signIns } = await signInsOf(this.db, batch);
    const stop = whyStop(signIns, batch.auth);
    if (stop !== null) return this.halt(batch, stop);
    const room = carefully(signIns, batch.auth, batch.options.atOnce) - busy;
    let stumbles = 0;
    for (const row of rows.slice(0, Math.max(0, room))) {
      try {
        await this.step(batch, who, row);
      } catch (error) {
        if (error instanceof Overtaken) return;
        if (!(error instanceof JobError)) throw error;
        if (error.code === 'FORBIDDEN') return this.halt(batch, 'BATCH_NOT_ALLOWED');
        // It stays wanted, and the others come first.
        await this.tell(batch, row, error);
        if (++stumbles === STUMBLES) return;
        continue;
      }
      stumbles = 0;
    }
  }

  /** @throws JobError FORBIDDEN, DESTINATION_UNAVAILABLE, AUDIT_UNAVAILABLE: nothing about this row alone; Overtaken */
  private async step(batch: BatchRecord, who: Actor, wanted: Wanted): Promise<void> {
    const { row, job, want } = wanted;
    try {
      await this.jobs.act(who, job, want, (manager) => takeMark(manager, batch.id, wanted));
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      if (['FORBIDDEN', 'DESTINATION_UNAVAILABLE', 'AUDIT_UNAVAILABLE'].includes(error.code)) throw error;
      // Somebody was faster: then it is not wanted any more.
      const told = ['INVALID_STATE', 'NOT_FOUND'].includes(error.code) ? null : error;
      await this.db.query(
        `UPDATE mailferry.batch_rows SET want = NULL, code = $4, message = $5 WHERE batch = $1 AND row = $2 AND want = $3`,
        [batch.id, row, want, told?.code ?? null, told?.message ?? null],
      );
    }
  }

  /** Why a row is not under way yet, as long as it is still wanted. */
  private async tell(batch: BatchRecord, { row, want }: Wanted, { code, message }: JobError): Promise<void> {
    await this.db.query(
      `UPDATE mailferry.batch_rows SET code = $4, message = $5 WHERE batch = $1 AND row = $2 AND want = $3`,
      [batch.id, row, want, code, message],
    );
  }

  /** The next delta pass when its time has come and nothing is under way; the end after the last one. */
  private async pass(seen: BatchRecord): Promise<void> {
    if (!hasPass(seen)) return;
    await this.db.transaction(async (manager) => {
      const batch = await lockAgain(manager, seen.id);
      if (batch?.state !== 'active' || !hasPass(batch)) return;
      const [open] = (await manager.query(
        `SELECT 1 FROM mailferry.batch_rows r JOIN mailferry.batches b ON b.id = r.batch
           JOIN mailferry.jobs j ON j.id = r.job
         WHERE r.batch = $1 AND (j.state IN ('queued', 'running', 'waiting', 'cancelling')
           OR r.want IN ('pause', 'cancel') OR (r.want IS NOT NULL AND ${READY})) LIMIT 1`,
        [batch.id],
      )) as unknown[];
      if (open !== undefined) return;
      if (batch.finishing) return this.finish(manager, batch);
      try {
        await this.actions.pass(manager, batch, null);
      } catch (error) {
        if (!(error instanceof JobError)) throw error;
        // Nobody has come so far.
        await manager.query(
          `UPDATE mailferry.batches SET next_sync_at = now() + make_interval(hours => (options->>'syncEveryHours')::int)
           WHERE id = $1`,
          [batch.id],
        );
      }
    });
  }

  /** Alone only when everything is done; else the batch says who is in its way, and waits. */
  private async finish(manager: EntityManager, batch: BatchRecord): Promise<void> {
    try {
      await this.actions.finish(manager, batch, null, false);
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      if (error.code !== 'FINISH_NEEDS_YOU') return;
      const reason = needsYou(Number(error.details?.['unfinished']));
      if (batch.reason?.message === reason.message) return;
      await manager.query(`UPDATE mailferry.batches SET reason = $2, updated_at = now() WHERE id = $1`, [
        batch.id,
        JSON.stringify(reason),
      ]);
      if (batch.reason?.code !== reason.code) await this.outbox.putBatch(manager, batch, reason);
      return;
    }
    await manager.query(
      `UPDATE mailferry.batches SET state = 'finished', reason = NULL, finished_at = now(), updated_at = now()
       WHERE id = $1 AND state = 'active'`,
      [batch.id],
    );
  }

  private async halt(batch: BatchRecord, code: string): Promise<void> {
    this.logger.warn(`batch ${batch.id} is stopped: ${code}`);
    await halt(this.db, this.outbox, batch, code);
  }

  /** @param ready only those whose old account's password is there. */
  private wanted(batch: string, wants: readonly string[], limit: number, ready: boolean): Promise<Wanted[]> {
    return this.db.query(
      `SELECT r.row, r.job, r.want FROM mailferry.batch_rows r JOIN mailferry.batches b ON b.id = r.batch
       WHERE r.batch = $1 AND r.want = ANY($2) AND r.job IS NOT NULL AND (NOT $3 OR ${READY})
       ORDER BY r.code IS NOT NULL, r.row LIMIT ${limit}`,
      [batch, wants, ready],
    );
  }
}

/** The secrets are erased soon, and only a person can say that they are to be kept on. */
function secretsEnd({ resumedAt }: BatchRecord): boolean {
  return resumedAt !== null && resumedAt.getTime() < Date.now() - NOBODY_ACTED_MS;
}

function hasPass({ finishing, nextSyncAt }: BatchRecord): boolean {
  return finishing || (nextSyncAt !== null && nextSyncAt.getTime() <= Date.now());
}

function unlessOvertaken(error: unknown): void {
  if (!(error instanceof Overtaken)) throw error;
}

/** For pausing and cancelling, which dial nobody. */
function systemActor({ tenant, owner, domain }: BatchRecord): Actor {
  return { sub: owner, tenant, visibility: { tenant, all: false, mailboxes: [], domains: [domain] }, scheduled: true };
}
