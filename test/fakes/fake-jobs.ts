import { randomUUID } from 'node:crypto';
import { filter, Observable, Subject, takeWhile } from 'rxjs';
import {
  JobError,
  type Actor,
  type BulkPreview,
  type BulkTarget,
  type ConnectionTestsApi,
  type Discovered,
  type Draft,
  type JobFilterQuery,
  type JobPage,
  type JobPatch,
  type JobQuery,
  type JobsApi,
  type NewJob,
  type NewTest,
  type SourceSecret,
  type UploadsApi,
  type Visibility,
} from '../../src/jobs/contract.js';
import type { JobAction, JobView, SourceFile, TestResult, TestView } from '../../src/jobs/job.js';
import { wordsFor } from '../../src/jobs/messages.js';
import { fileName, refuseFile } from '../../src/jobs/upload-check.js';
import { allowedActions, isFinal, next } from '../../src/jobs/job-state.js';
import { isVisible } from '../../src/jobs/visibility.js';
import type { JobEventMessage, ProgressApi } from '../../src/progress/contract.js';
import type { RecoveryContent, RecoveryFile } from '../../src/reports/recovery.js';
import type { Report, ReportItem, ReportsApi } from '../../src/reports/contract.js';

interface FakeRecord {
  view: JobView;
  readonly tenant: string;
  readonly owner: string;
  readonly idempotencyKey?: string;
  form: Readonly<Record<string, unknown>>;
  secret: SourceSecret | null;
  destinationSecret: boolean;
  test: TestView | null;
  passedAt: string | null;
  items: ReportItem[];
  log: { at: string; level: string; message: string }[];
}

const NOTHING = { found: 0, copied: 0, alreadyThere: 0, skipped: 0, failed: 0 };
const OK: TestResult = {
  ok: true,
  code: 'OK',
  message: 'The connection works.',
  gives: ['mail'],
  folders: [{ path: 'INBOX', levels: ['INBOX'], kind: 'mail', role: 'inbox', items: 3, bytes: 3000 }],
  totals: { folders: 1, items: 3, bytes: 3000 },
};

/**
 * The jobs room in memory, for tests of the pages and the API: the real table of states and the real rule of
 * visibility, no queue and no mail. `FakeRoom.jobs`, `.tests`, `.progress`, `.reports` are the four services.
 */
export class FakeRoom {
  readonly records = new Map<string, FakeRecord>();
  private readonly changes = new Subject<JobView>();
  /** What the next connection test will say; 'never' leaves it running. */
  nextTest: TestResult | 'never' = OK;
  readonly jobs = new FakeJobs(this);
  readonly tests = new FakeConnectionTests(this);
  readonly progress = new FakeProgress(this);
  readonly reports = new FakeReports(this);
  readonly uploads = new FakeUploads(this);

  /** Changes a job from outside, as the worker would; followers see it. */
  change(id: string, change: Partial<JobView>): JobView {
    const record = this.records.get(id);
    if (record === undefined) throw new Error(`no job ${id}`);
    const state = change.state ?? record.view.state;
    record.view = { ...record.view, ...change, actions: allowedActions(state), version: record.view.version + 1 };
    this.changes.next(record.view);
    return record.view;
  }

  seen(visibility: Visibility, id: string): FakeRecord | null {
    const record = this.records.get(id);
    if (record === undefined) return null;
    const { mailbox, domain } = record.view;
    return isVisible(visibility, { tenant: record.tenant, mailbox, domain }) ? record : null;
  }

  mine(who: Actor, id: string): FakeRecord {
    const record = this.seen(who.visibility, id);
    if (record === null) throw new JobError('NOT_FOUND', 'There is no such migration.');
    return record;
  }

  followed(id: string): Observable<JobView> {
    return this.changes.pipe(filter((view) => view.id === id));
  }
}

export class FakeJobs implements JobsApi {
  constructor(private readonly room: FakeRoom) {}

  async create(who: Actor, job: NewJob): Promise<{ job: JobView; replayed: boolean }> {
    const { records } = this.room;
    for (const record of records.values())
      if (job.idempotencyKey !== undefined && record.idempotencyKey === job.idempotencyKey && record.owner === who.sub)
        return { job: record.view, replayed: true };
    const mailbox = job.mailbox.toLowerCase();
    const domain = mailbox.slice(mailbox.lastIndexOf('@') + 1);
    if (!isVisible(who.visibility, { tenant: who.tenant, mailbox, domain }))
      throw new JobError('DESTINATION_MISSING', 'There is no such mailbox.');
    const view: JobView = {
      id: randomUUID(),
      mailbox,
      domain,
      state: 'draft',
      outcome: null,
      source: job.source ?? { type: 'imap', host: '', port: 993, security: 'tls', username: '' },
      items: job.items ?? ['mail'],
      existing: confirmed(job, mailbox),
      filters: job.filters ?? {},
      options: job.options ?? {},
      progress: { ...NOTHING, bytes: 0, totalBytes: 0, etaSeconds: null, rate: null },
      folders: [],
      runs: [],
      actions: allowedActions('draft'),
      createdAt: new Date().toISOString(),
      startedAt: null,
      finishedAt: null,
      changedAt: new Date().toISOString(),
      version: 1,
    };
    records.set(view.id, {
      view,
      tenant: who.tenant,
      owner: who.sub,
      ...(job.idempotencyKey !== undefined && { idempotencyKey: job.idempotencyKey }),
      form: job.form ?? {},
      secret: job.secret ?? null,
      destinationSecret: job.destination !== undefined,
      test: null,
      passedAt: null,
      items: [],
      log: [],
    });
    return { job: job.start === true ? await this.act(who, view.id, 'start') : view, replayed: false };
  }

  async patch(who: Actor, id: string, patch: JobPatch): Promise<JobView> {
    const record = this.room.mine(who, id);
    if (record.view.state !== 'draft') throw invalidState(record.view, 'patch');
    if (patch.secret !== undefined) record.secret = patch.secret;
    if (patch.destination !== undefined) record.destinationSecret = true;
    if (patch.form !== undefined) record.form = patch.form;
    if (patch.source !== undefined || patch.secret !== undefined) record.passedAt = record.test = null;
    const { source, items, filters, options } = patch;
    return this.room.change(id, {
      ...(source !== undefined && { source }),
      ...(items !== undefined && { items }),
      ...(filters !== undefined && { filters }),
      ...(options !== undefined && { options }),
      ...(patch.existing !== undefined && { existing: confirmed(patch, record.view.mailbox) }),
    });
  }

  async draft(who: Actor, id: string): Promise<Draft | null> {
    const record = this.room.seen(who.visibility, id);
    if (record === null || record.view.state !== 'draft') return null;
    const { view: job, form, test, passedAt } = record;
    return {
      job,
      form,
      test,
      passedAt,
      hasSecret: record.secret !== null,
      hasDestinationSecret: record.destinationSecret,
    };
  }

  async get(visibility: Visibility, id: string): Promise<JobView | null> {
    return this.room.seen(visibility, id)?.view ?? null;
  }

  async list(visibility: Visibility, query: JobQuery): Promise<JobPage> {
    const all = [...this.room.records.values()]
      .filter(({ view, tenant }) => isVisible(visibility, { tenant, mailbox: view.mailbox, domain: view.domain }))
      .map(({ view }) => view)
      .filter((view) => matches(view, query))
      .reverse();
    const { perPage } = query;
    const page = Number(query.after ?? query.before ?? query.page);
    const jobs = all.slice((page - 1) * perPage, page * perPage).map((view) => ({ ...view, folders: [], runs: [] }));
    return {
      jobs,
      page,
      perPage,
      total: all.length,
      estimated: false,
      next: page * perPage < all.length ? String(page + 1) : null,
      previous: page > 1 ? String(page - 1) : null,
    };
  }

  async act(who: Actor, id: string, action: JobAction): Promise<JobView> {
    const record = this.room.mine(who, id);
    const state = next(record.view.state, action);
    if (state === null) throw invalidState(record.view, action);
    if (action === 'start' && record.secret === null)
      throw new JobError('CREDENTIALS_REQUIRED', 'The password of the old account is missing.');
    return this.room.change(id, {
      state,
      ...(action === 'start' && { startedAt: new Date().toISOString() }),
      ...(isFinal(state) && { finishedAt: new Date().toISOString() }),
    });
  }

  async bulk(
    who: Actor,
    action: JobAction,
    target: BulkTarget,
  ): Promise<{ done: string[]; refused: { id: string; code: string; message: string }[] }> {
    const ids =
      'ids' in target
        ? target.ids
        : (await this.found(who.visibility, target)).filter((job) => next(job.state, action)).map(({ id }) => id);
    const done: string[] = [];
    const refused: { id: string; code: string; message: string }[] = [];
    for (const id of ids) {
      try {
        await this.act(who, id, action);
        done.push(id);
      } catch (error) {
        if (!(error instanceof JobError)) throw error;
        refused.push({ id, code: error.code, message: error.message });
      }
    }
    return { done, refused };
  }

  async preview(visibility: Visibility, action: JobAction, target: BulkTarget): Promise<BulkPreview> {
    const found = await this.found(visibility, target);
    const touched = found.filter(({ state }) => next(state, action) !== null);
    const others = found.filter((job) => !touched.includes(job)).map(({ state }) => state);
    return {
      touched: touched.length,
      sample: touched.slice(0, 20).map(({ mailbox }) => mailbox),
      left: [...new Set(others)].map((state) => ({ state, count: others.filter((one) => one === state).length })),
      limit: 1000,
    };
  }

  private async found(visibility: Visibility, target: BulkTarget): Promise<readonly JobView[]> {
    if ('ids' in target) return target.ids.flatMap((id) => this.room.seen(visibility, id)?.view ?? []);
    return (await this.list(visibility, { ...target.filter, page: 1, perPage: 1000 })).jobs;
  }

  async setCredentials(who: Actor, id: string, secret: SourceSecret): Promise<JobView> {
    const record = this.room.mine(who, id);
    if (record.view.state === 'cancelled') throw invalidState(record.view, 'credentials');
    record.secret = secret;
    return this.room.change(id, {});
  }

  async erase(who: Actor, id: string): Promise<void> {
    const record = this.room.mine(who, id);
    if (!isFinal(record.view.state)) throw invalidState(record.view, 'erase');
    this.room.records.delete(id);
  }

  async log(visibility: Visibility, id: string): Promise<{ at: string; level: string; message: string }[] | null> {
    return this.room.seen(visibility, id)?.log ?? null;
  }
}

export class FakeConnectionTests implements ConnectionTestsApi {
  private readonly rows = new Map<string, { owner: string; view: TestView }>();
  readonly requests: NewTest[] = [];
  /** Null: any password is right. */
  password: string | null = null;

  constructor(private readonly room: FakeRoom) {}

  async request(who: Actor, test: NewTest): Promise<string> {
    const record = test.job === undefined ? null : this.room.mine(who, test.job);
    this.requests.push(test);
    const id = randomUUID();
    const result = this.room.nextTest;
    const view: TestView =
      result === 'never'
        ? {
            id,
            state: 'running',
            ok: false,
            code: '',
            message: '',
            folders: [],
            totals: { folders: 0, items: 0, bytes: 0 },
          }
        : { ...result, id, state: 'done' };
    this.rows.set(id, { owner: who.sub, view });
    // A draft knows only of tests that are done.
    if (record !== null && view.state === 'done') {
      record.test = view;
      record.passedAt = view.ok ? new Date().toISOString() : null;
    }
    return id;
  }

  /** Ends a test that was left running. */
  finish(id: string, result: TestResult): void {
    const row = this.rows.get(id)!;
    this.rows.set(id, { ...row, view: { ...result, id, state: 'done' } });
  }

  async get(who: Actor, id: string): Promise<TestView | null> {
    const row = this.rows.get(id);
    return row?.owner === who.sub ? row.view : null;
  }

  wait(who: Actor, id: string): Promise<TestView | null> {
    return this.get(who, id);
  }

  async signIn(_tenant: string, _address: string, password: string): Promise<{ ok: boolean; code: string }> {
    const ok = this.password === null || password === this.password;
    return { ok, code: ok ? 'OK' : 'AUTH_FAILED' };
  }

  async discover(): Promise<Discovered> {
    return { found: false };
  }
}

/** Keeps nothing but names and sizes; the real check of what is in a file. */
export class FakeUploads implements UploadsApi {
  constructor(private readonly room: FakeRoom) {}

  async add(who: Actor, id: string, name: string, content: AsyncIterable<Uint8Array>): Promise<SourceFile> {
    const record = this.draft(who, id);
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    const all = Buffer.concat(chunks);
    const code = refuseFile(all);
    if (code !== null) throw new JobError(code, wordsFor(code).message);
    const file = { id: randomUUID(), name: fileName(name), bytes: all.length, sha256: 'ab'.repeat(32) };
    const others = (record.view.source.files ?? []).filter((one) => one.name !== file.name);
    this.keep(record, [...others, file]);
    return file;
  }

  async remove(who: Actor, id: string, file: string): Promise<void> {
    const record = this.draft(who, id);
    const { files = [] } = record.view.source;
    if (!files.some((one) => one.id === file)) throw new JobError('NOT_FOUND', 'There is no such file.');
    this.keep(
      record,
      files.filter((one) => one.id !== file),
    );
  }

  private draft(who: Actor, id: string): FakeRecord {
    const record = this.room.mine(who, id);
    if (record.view.state !== 'draft') throw invalidState(record.view, 'upload');
    if (record.view.source.type !== 'files') throw new JobError('VALIDATION', 'source.type is not files.');
    return record;
  }

  private keep(record: FakeRecord, files: readonly SourceFile[]): void {
    record.secret = files.length === 0 ? null : {};
    record.passedAt = record.test = null;
    const username = files.map(({ name }) => name).join(', ');
    this.room.change(record.view.id, { source: { ...record.view.source, files, username } });
  }
}

export class FakeProgress implements ProgressApi {
  constructor(private readonly room: FakeRoom) {}

  async watch(visibility: Visibility, id: string): Promise<Observable<JobEventMessage> | null> {
    const record = this.room.seen(visibility, id);
    if (record === null) return null;
    let state = record.view.state;
    const messages = new Observable<JobEventMessage>((subscriber) => {
      const say = (view: JobView, first: boolean): void => {
        const type = first ? 'snapshot' : view.state === state ? 'progress' : 'state';
        state = view.state;
        subscriber.next({ type, job: view });
        if (isFinal(view.state)) subscriber.next({ type: 'end', job: view });
      };
      say(record.view, true);
      return this.room.followed(id).subscribe((view) => say(view, false));
    });
    return messages.pipe(takeWhile(({ type }) => type !== 'end', true));
  }
}

export class FakeReports implements ReportsApi {
  /** Files of a replace by id of the job, with their content. */
  readonly recovered = new Map<string, (RecoveryFile & { readonly content: string })[]>();

  async recovery(visibility: Visibility, id: string): Promise<readonly RecoveryFile[]> {
    const report = await this.report(visibility, id);
    const own = report !== null && visibility.mailboxes.includes(report.job.mailbox);
    return own ? (this.recovered.get(id) ?? []).map(({ content: _, ...file }) => file) : [];
  }
  async recoveryContent(visibility: Visibility, id: string, file: string): Promise<RecoveryContent | null> {
    if ((await this.recovery(visibility, id)).length === 0) return null;
    const found = this.recovered.get(id)!.find((one) => one.id === file);
    if (found === undefined) return null;
    const chunks = (async function* () {
      yield Buffer.from(found.content);
    })();
    return { name: found.name, type: 'text/calendar; charset=utf-8', chunks };
  }

  constructor(private readonly room: FakeRoom) {}

  async report(visibility: Visibility, id: string): Promise<Report | null> {
    const record = this.room.seen(visibility, id);
    if (record === null) return null;
    const { view: job, items } = record;
    const { found, copied, alreadyThere, skipped, failed } = job.progress;
    return { job, counts: { found, copied, alreadyThere, skipped, failed }, folders: job.folders, items, changes: [] };
  }

  async items(
    visibility: Visibility,
    id: string,
    { outcome, page, perPage }: { outcome?: 'skipped' | 'failed'; page: number; perPage: number },
  ): Promise<{ items: readonly ReportItem[]; total: number } | null> {
    const record = this.room.seen(visibility, id);
    if (record === null) return null;
    const all = record.items.filter((item) => outcome === undefined || item.outcome === outcome);
    return { items: all.slice((page - 1) * perPage, page * perPage), total: all.length };
  }

  async batchCsv(): Promise<AsyncIterable<string> | null> {
    return null;
  }
  async csv(visibility: Visibility, id: string): Promise<AsyncIterable<string> | null> {
    const record = this.room.seen(visibility, id);
    if (record === null) return null;
    return (async function* () {
      yield 'kind,folder,subject,date,size,outcome,code,message\r\n';
      for (const { kind, folder, subject, date, size, outcome, code, message } of record.items)
        yield `${[kind, folder, subject, date ?? '', size, outcome, code, message].map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(',')}\r\n`;
    })();
  }
}

function confirmed({ existing, confirm }: JobPatch, mailbox: string): 'keep' | 'replace' {
  if (existing === 'replace' && confirm?.toLowerCase() !== mailbox)
    throw new JobError('VALIDATION', 'confirm must be the address of the mailbox.', { confirm: 'is not the address' });
  return existing ?? 'keep';
}

function matches(view: JobView, { state, domain, mailbox, q, error, host, open }: JobFilterQuery): boolean {
  return (
    (state === undefined || state.includes(view.state)) &&
    (domain === undefined || view.domain === domain) &&
    (mailbox === undefined || view.mailbox === mailbox) &&
    (error === undefined || view.reason?.code === error) &&
    (!open || ['failed', 'needs-action'].includes(view.state) || view.outcome === 'incomplete') &&
    (host === undefined || view.source.host === host) &&
    (q === undefined || [view.mailbox, view.source.host, view.source.username].some((text) => text.includes(q)))
  );
}

function invalidState(view: JobView, action: string): JobError {
  return new JobError('INVALID_STATE', 'That is not possible in this state.', { state: view.state, action });
}
