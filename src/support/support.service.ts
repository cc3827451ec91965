import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { AuditTrail, by } from '../jobs/audit.js';
import { JobError, type Actor, type Visibility } from '../jobs/contract.js';
import { JobEntity } from '../jobs/entities.js';
import type { JobState, Reason } from '../jobs/job.js';
import { JobChanges } from '../jobs/job-changes.js';
import { isUuid } from '../jobs/job-view.js';
import { wordsFor } from '../jobs/messages.js';
import { PasswordLinks } from '../jobs/password-links.js';
import { SecretStore } from '../jobs/secrets.js';
import { invalid } from '../jobs/settings.js';
import { lockJob } from '../jobs/transition.js';
import { displayPath } from '../mailbox/folder.js';
import { wordsForRefusal } from '../reports/words.js';
import type { CaseEvent, ItemGroup, Note, SavedLog, SupportApi, SupportCase } from './contract.js';
import { onlySupport } from './only-support.js';

/** Events and notes that are shown, newest first. */
const MAX_EVENTS = 100;
const MAX_NOTES = 50;
const MAX_GROUPS = 100;
const MAX_NOTE = 2_000;
const MAX_REASON = 300;
/** Code of an item that support left out. */
const LEFT_OUT = 'LEFT_OUT';
/** No run of the job may count its items meanwhile. */
const AT_REST: readonly JobState[] = ['waiting', 'paused', 'needs-action', 'completed', 'failed'];

/** What support sees of one job and may do to it, beyond what its owner may. */
@Injectable()
export class SupportService implements SupportApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(JobChanges) private readonly changes: JobChanges,
    @Inject(PasswordLinks) private readonly links: PasswordLinks,
    @Inject(SecretStore) private readonly secrets: SecretStore,
  ) {}

  async look(visibility: Visibility, id: string): Promise<SupportCase | null> {
    onlySupport(visibility);
    const job = await this.find(visibility.tenant, id);
    if (job === null) return null;
    const [groups, events, notes, logs, link, held, [row]] = await Promise.all([
      this.groups(id),
      this.events(id),
      this.notes(id),
      this.logs(id),
      this.links.last(id),
      this.secrets.held(id),
      this.db.query<{ handled: Date | null; wanted: boolean }[]>(
        `SELECT handled_at AS handled, wants_log AS wanted FROM mailferry.jobs WHERE id = $1`,
        [id],
      ),
    ]);
    return {
      groups,
      events,
      notes,
      logs,
      logWanted: row?.wanted ?? false,
      link,
      hasPassword: held.source,
      handledAt: row?.handled?.toISOString() ?? null,
    };
  }

  async leaveOut(who: Actor, id: string, code: string, reason: string): Promise<number> {
    onlySupport(who.visibility);
    const why = oneLine(reason, MAX_REASON);
    if (why === '') throw invalid({ reason: 'is missing' });
    return this.changes.transact(async ({ manager }) => {
      const job = await lockJob(manager, id);
      if (job === null || job.tenant !== who.tenant) throw notFound();
      const runs: unknown[] = await manager.query(`SELECT 1 FROM mailferry.runs WHERE job = $1 AND state = 'running'`, [
        id,
      ]);
      if (!AT_REST.includes(job.state) || runs.length > 0)
        throw new JobError('INVALID_STATE', 'Pause the migration first: its items are being counted.');
      const [moved] = await manager.query<[{ folder: string; n: string }[], number]>(
        `WITH left_out AS (
           UPDATE mailferry.refusals SET outcome = 'skipped', code = $3, message = $4, at = now()
           WHERE job = $1 AND outcome = 'failed' AND code = $2 RETURNING folder),
         counted AS (SELECT folder, count(*) AS n FROM left_out GROUP BY folder)
         UPDATE mailferry.job_folders f SET failed = f.failed - c.n, skipped = f.skipped + c.n
         FROM counted c WHERE f.job = $1 AND f.folder = c.folder RETURNING f.folder, c.n`,
        [id, code, LEFT_OUT, `Left out by support: ${why} (${code})`],
      );
      const items = moved.reduce((sum, { n }) => sum + Number(n), 0);
      if (items > 0)
        await this.audit.record(
          {
            ...by(who),
            action: 'items.left-out',
            job: id,
            mailbox: job.mailbox,
            detail: { code, reason: why, items: String(items) },
          },
          manager,
        );
      return items;
    });
  }

  async note(who: Actor, id: string, text: string, handled: boolean): Promise<void> {
    onlySupport(who.visibility);
    const note = text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]|\p{Surrogate}/gu, ' ').trim();
    if (note === '') throw invalid({ note: 'is missing' });
    if (note.length > MAX_NOTE) throw invalid({ note: 'is too long' });
    await this.changes.transact(async ({ manager }) => {
      const job = await lockJob(manager, id);
      if (job === null || job.tenant !== who.tenant) throw notFound();
      await manager.query(`INSERT INTO mailferry.job_notes (job, author, text, handled) VALUES ($1, $2, $3, $4)`, [
        id,
        who.principal?.name ?? who.sub,
        note,
        handled,
      ]);
      if (handled) await manager.query(`UPDATE mailferry.jobs SET handled_at = now() WHERE id = $1`, [id]);
      const action = handled ? 'job.handled' : 'job.note';
      await this.audit.record({ ...by(who), action, job: id, mailbox: job.mailbox }, manager);
    });
  }

  async askLog(who: Actor, id: string): Promise<void> {
    onlySupport(who.visibility);
    await this.changes.transact(async ({ manager }) => {
      const job = await lockJob(manager, id);
      if (job === null || job.tenant !== who.tenant) throw notFound();
      await manager.query(`UPDATE mailferry.jobs SET wants_log = true WHERE id = $1`, [id]);
      await this.audit.record({ ...by(who), action: 'log.asked', job: id, mailbox: job.mailbox }, manager);
    });
  }

  private async logs(id: string): Promise<SavedLog[]> {
    const rows = await this.db.query<{ at: Date; kind: string; source: string | null; destination: string | null }[]>(
      `SELECT l.at, r.kind, l.source, l.destination FROM mailferry.protocol_logs l JOIN mailferry.runs r ON r.id = l.run
       WHERE l.job = $1 ORDER BY l.at DESC`,
      [id],
    );
    return rows.map(({ at, kind, source, destination }) => ({
      at: at.toISOString(),
      runKind: kind,
      source: source ?? '',
      destination: destination ?? '',
    }));
  }

  private async groups(id: string): Promise<ItemGroup[]> {
    const rows = await this.db.query<
      {
        outcome: 'skipped' | 'failed';
        code: string;
        message: string;
        items: string;
        bytes: string;
        paths: string[][] | null;
        server_text: string | null;
      }[]
    >(
      `SELECT g.*, (SELECT jsonb_agg(f.path ORDER BY t.n DESC, f.id) FROM (
           SELECT r.folder, count(*) AS n FROM mailferry.refusals r
           WHERE r.job = $1 AND r.outcome = g.outcome AND r.code = g.code
           GROUP BY r.folder ORDER BY count(*) DESC, r.folder LIMIT 3) t
         JOIN mailferry.folders f ON f.id = t.folder) AS paths
       FROM (SELECT outcome, code, min(message) AS message, count(*) AS items, sum(size) AS bytes,
               min(server_text) AS server_text
             FROM mailferry.refusals WHERE job = $1 GROUP BY outcome, code
             ORDER BY outcome = 'skipped', count(*) DESC, code LIMIT ${MAX_GROUPS}) g`,
      [id],
    );
    return rows.map(({ outcome, code, message, items, bytes, paths, server_text }) => ({
      outcome,
      code,
      message: wordsForRefusal(code, message),
      items: Number(items),
      bytes: Number(bytes),
      folders: (paths ?? []).map((path) => displayPath(path)),
      serverText: server_text ?? '',
    }));
  }

  /** Runs and people's actions in one line of time, newest first. */
  private async events(id: string): Promise<CaseEvent[]> {
    const [runs, actions] = await Promise.all([
      this.db.query<
        { kind: string; state: string; reason: Reason | null; began: Date; ended: Date | null; host: string | null }[]
      >(
        `SELECT r.kind, r.state, r.reason, r.started_at AS began, r.finished_at AS ended, w.host || ' ' || w.pid AS host
         FROM mailferry.runs r LEFT JOIN mailferry.workers w ON w.id = r.worker
         WHERE r.job = $1 ORDER BY r.started_at DESC LIMIT ${MAX_EVENTS}`,
        [id],
      ),
      this.db.query<{ at: Date; action: string; sub: string; actor: string | null; code: string | null }[]>(
        `SELECT at, action, sub, actor, detail->>'code' AS code FROM mailferry.audit
         WHERE job = $1 ORDER BY id DESC LIMIT ${MAX_EVENTS}`,
        [id],
      ),
    ]);
    const events: CaseEvent[] = [
      ...actions.map(({ at, action, sub, actor, code }) => ({
        at: at.toISOString(),
        kind: 'action' as const,
        what: action,
        by: actor ?? sub,
        ...(code === null ? {} : { code }),
      })),
      ...runs.map(({ kind, began, host }) => ({
        at: began.toISOString(),
        kind: 'run-began' as const,
        what: kind,
        ...(host === null ? {} : { by: host }),
      })),
      ...runs.flatMap(({ kind, ended, state, reason }) =>
        ended === null
          ? []
          : [
              {
                at: ended.toISOString(),
                kind: 'run-ended' as const,
                what: kind,
                state,
                ...(reason === null ? {} : { code: reason.code, message: reason.message }),
              },
            ],
      ),
    ];
    return events.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)).slice(0, MAX_EVENTS);
  }

  private async notes(id: string): Promise<Note[]> {
    const rows = await this.db.query<{ at: Date; author: string; text: string; handled: boolean }[]>(
      `SELECT at, author, text, handled FROM mailferry.job_notes WHERE job = $1 ORDER BY id DESC LIMIT ${MAX_NOTES}`,
      [id],
    );
    return rows.map(({ at, ...note }) => ({ at: at.toISOString(), ...note }));
  }

  private async find(tenant: string, id: string): Promise<JobEntity | null> {
    return isUuid(id) ? this.db.manager.findOneBy(JobEntity, { id, tenant }) : null;
  }
}

function oneLine(text: string, max: number): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/gu, ' ')
    .trim()
    .slice(0, max);
}

function notFound(): JobError {
  return new JobError('NOT_FOUND', wordsFor('NOT_FOUND').message);
}
