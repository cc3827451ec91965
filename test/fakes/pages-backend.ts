import { randomUUID } from 'node:crypto';
import { BehaviorSubject, concat, filter, map, of, takeWhile, type Observable } from 'rxjs';
import {
  type Actor,
  type ConnectionTestsApi,
  type DestinationSecret,
  type Discovered,
  type Draft,
  JobError,
  type JobPage,
  type JobPatch,
  type JobQuery,
  type JobsApi,
  type NewJob,
  type NewTest,
  type SourceSecret,
  type Visibility,
} from '../../src/jobs/contract.js';
import { allowedActions, isFinal, next } from '../../src/jobs/job-state.js';
import type { JobAction, JobView, SourceSettings, TestView } from '../../src/jobs/job.js';
import { wordsFor } from '../../src/jobs/messages.js';
import type { JobEventMessage, ProgressApi } from '../../src/progress/contract.js';
import type { Report, ReportItem, ReportsApi } from '../../src/reports/contract.js';

interface Row {
  tenant: string;
  view: BehaviorSubject<JobView>;
  form: Readonly<Record<string, unknown>>;
  secret: SourceSecret | null;
  destination: DestinationSecret | null;
  test: string | null;
  passedAt: string | null;
  report: { items: ReportItem[]; changes: Report['changes'] };
  log: { at: string; level: string; message: string }[];
}
const NO_SOURCE: SourceSettings = { type: 'imap', host: '', port: 993, security: 'tls', username: '' };
const ZERO = {
  found: 0,
  copied: 0,
  alreadyThere: 0,
  skipped: 0,
  failed: 0,
  bytes: 0,
  totalBytes: 0,
  etaSeconds: null,
  rate: null,
};

/** Everything behind the pages, in memory: jobs by the real state table, tests that answer what they were told to. */
export class PagesBackend {
  readonly rows = new Map<string, Row>();
  private readonly runs = new Map<string, { view: TestView; wait: number; job: string | null }>();
  /** The next tests' results, by host. */
  readonly answers = new Map<string, Partial<TestView>>();
  /** How many looks a test takes before it is done. */
  testTakes = 0;
  /** Thrown by the next request for a test. */
  refuseTest: JobError | null = null;
  discovered: Discovered = { found: false };
  /** What was sealed, for the test that looks for it in pages. */
  readonly acted: { id: string; action: JobAction }[] = [];

  readonly jobs: JobsApi = {
    create: async (who, job) => ({ job: this.create(who, job), replayed: false }),
    patch: async (who, id, patch) => this.patch(who, id, patch),
    draft: async (who, id) => this.draft(who, id),
    get: async (visibility, id) => this.visible(visibility, id)?.view.value ?? null,
    list: async (visibility, query) => this.list(visibility, query),
    act: async (who, id, action) => this.act(who, id, action),
    bulk: async (who, action, target) => {
      const done: string[] = [];
      const refused: { id: string; code: string; message: string }[] = [];
      for (const id of 'ids' in target ? target.ids : []) {
        try {
          this.act(who, id, action);
          done.push(id);
        } catch (error) {
          const { code, message } = error as JobError;
          refused.push({ id, code, message });
        }
      }
      return { done, refused };
    },
    setCredentials: async (who, id, secret, destination) => {
      const row = this.mine(who, id);
      row.secret = secret;
      if (destination) row.destination = destination;
      return row.view.value;
    },
    erase: async (who, id) => {
      const row = this.mine(who, id);
      if (!isFinal(row.view.value.state)) throw error('INVALID_STATE');
      this.rows.delete(id);
    },
    log: async (visibility, id) => this.visible(visibility, id)?.log ?? null,
  };

  readonly tests: ConnectionTestsApi = {
    request: async (who, test) => this.request(who, test),
    get: async (_, id) => this.look(id),
    wait: async (_, id) => this.look(id),
    signIn: async () => ({ ok: false, code: 'AUTH_FAILED' }),
    discover: async () => this.discovered,
  };

  readonly progress: ProgressApi = {
    watch: async (visibility, id) => {
      const row = this.visible(visibility, id);
      return row ? this.events(row) : null;
    },
  };

  readonly reports: ReportsApi = {
    report: async (visibility, id) => {
      const row = this.visible(visibility, id);
      if (!row) return null;
      const job = row.view.value;
      return { job, counts: job.progress, folders: job.folders, ...row.report };
    },
    items: async (visibility, id, { outcome, page, perPage }) => {
      const row = this.visible(visibility, id);
      if (!row) return null;
      const all = row.report.items.filter((item) => !outcome || item.outcome === outcome);
      return { items: all.slice((page - 1) * perPage, page * perPage), total: all.length };
    },
    csv: async (visibility, id) => {
      const row = this.visible(visibility, id);
      return row
        ? (async function* () {
            yield 'kind,folder,subject,date,size,outcome,code,message\r\n';
          })()
        : null;
    },
  };

  /** Puts a job in without its story. */
  put(
    tenant: string,
    job: Partial<JobView> & { mailbox: string },
    more: Partial<Omit<Row, 'view' | 'tenant'>> = {},
  ): JobView {
    const state = job.state ?? 'draft';
    const view: JobView = {
      id: randomUUID(),
      domain: job.mailbox.split('@')[1] ?? '',
      state,
      outcome: null,
      source: NO_SOURCE,
      items: [],
      existing: 'keep',
      filters: {},
      options: {},
      progress: ZERO,
      folders: [],
      runs: [],
      actions: allowedActions(state),
      createdAt: '2026-03-01T09:00:00.000Z',
      startedAt: null,
      finishedAt: null,
      version: 1,
      ...job,
    };
    this.rows.set(view.id, {
      tenant,
      view: new BehaviorSubject(view),
      form: {},
      secret: null,
      destination: null,
      test: null,
      passedAt: null,
      report: { items: [], changes: [] },
      log: [],
      ...more,
    });
    return view;
  }

  change(id: string, change: Partial<JobView>): JobView {
    const { view } = this.rows.get(id)!;
    const state = change.state ?? view.value.state;
    view.next({ ...view.value, ...change, actions: allowedActions(state), version: view.value.version + 1 });
    return view.value;
  }

  private create(who: Actor, job: NewJob): JobView {
    const { visibility } = who;
    const domain = job.mailbox.split('@')[1] ?? '';
    if (!visibility.all && !visibility.mailboxes.includes(job.mailbox) && !visibility.domains.includes(domain))
      throw error('NOT_FOUND');
    const view = this.put(who.tenant, { mailbox: job.mailbox });
    return view;
  }

  private patch(who: Actor, id: string, patch: JobPatch): JobView {
    const row = this.mine(who, id);
    const before = row.view.value;
    if (before.state !== 'draft') throw error('INVALID_STATE');
    if (patch.existing === 'replace' && patch.confirm !== before.mailbox) throw error('VALIDATION');
    if (patch.form) row.form = structuredClone(patch.form) as Row['form'];
    if (patch.secret) row.secret = patch.secret;
    if (patch.destination) row.destination = patch.destination;
    const changed = patch.source && JSON.stringify(patch.source) !== JSON.stringify(before.source);
    if (patch.secret || patch.destination || changed) {
      row.test = null;
      row.passedAt = null;
    }
    return this.change(id, {
      ...(patch.source && { source: patch.source }),
      ...(patch.items && { items: patch.items }),
      ...(patch.existing && { existing: patch.existing }),
      ...(patch.filters && { filters: patch.filters }),
    });
  }

  private draft(who: Actor, id: string): Draft | null {
    const row = this.visible(who.visibility, id);
    if (!row || row.view.value.state !== 'draft') return null;
    return {
      job: row.view.value,
      form: row.form,
      hasSecret: row.secret !== null,
      hasDestinationSecret: row.destination !== null,
      test: row.test === null ? null : this.look(row.test),
      passedAt: row.passedAt,
    };
  }

  private act(who: Actor, id: string, action: JobAction): JobView {
    const row = this.mine(who, id);
    const { state } = row.view.value;
    const to = next(state, action);
    if (to === null) throw error('INVALID_STATE');
    if (row.secret === null && (action === 'retry' || action === 'resume')) throw error('CREDENTIALS_REQUIRED');
    this.acted.push({ id, action });
    return this.change(id, { state: to, ...(action === 'start' && { startedAt: new Date().toISOString() }) });
  }

  private list(visibility: Visibility, query: JobQuery): JobPage {
    const { page, perPage, state, domain, mailbox, q, error: code } = query;
    const all = [...this.rows.values()]
      .filter((row) => this.visible(visibility, row.view.value.id) !== null)
      .map((row) => row.view.value)
      .filter(
        (job) =>
          (!state || state.includes(job.state)) &&
          (!domain || job.domain === domain) &&
          (!mailbox || job.mailbox === mailbox) &&
          (!code || job.reason?.code === code) &&
          (!q || [job.mailbox, job.source.host, job.source.username].some((text) => text.includes(q))),
      )
      .reverse();
    return { jobs: all.slice((page - 1) * perPage, page * perPage), page, perPage, total: all.length };
  }

  private request(who: Actor, test: NewTest): string {
    if (this.refuseTest) {
      const refused = this.refuseTest;
      this.refuseTest = null;
      throw refused;
    }
    const id = randomUUID();
    const row = test.job === undefined ? null : this.mine(who, test.job);
    const source = row?.view.value.source ?? test.source ?? NO_SOURCE;
    const answer = this.answers.get(source.caFingerprint ? `${source.host}#pinned` : source.host) ?? {
      ok: false,
      code: 'HOST_NOT_FOUND',
    };
    const words = wordsFor(answer.code ?? 'OK');
    const view: TestView = {
      id,
      state: 'done',
      ok: true,
      code: 'OK',
      message: words.message,
      ...(words.action && { action: words.action }),
      folders: [],
      totals: { folders: 0, items: 0, bytes: 0 },
      ...answer,
    };
    this.runs.set(id, { view, wait: this.testTakes, job: row?.view.value.id ?? null });
    if (row) row.test = id;
    return id;
  }

  private look(id: string): TestView | null {
    const run = this.runs.get(id);
    if (!run) return null;
    if (run.wait > 0) {
      run.wait -= 1;
      return {
        id,
        state: 'running',
        ok: false,
        code: '',
        message: '',
        folders: [],
        totals: { folders: 0, items: 0, bytes: 0 },
      };
    }
    const row = run.job === null ? undefined : this.rows.get(run.job);
    if (row && row.test === id && run.view.ok) row.passedAt ??= new Date().toISOString();
    return run.view;
  }

  private events(row: Row): Observable<JobEventMessage> {
    let last = row.view.value.state;
    return concat(
      of({ type: 'snapshot' as const, job: row.view.value }),
      row.view.pipe(
        filter((job) => job.version > 1),
        map((job): JobEventMessage => {
          const type = isFinal(job.state) ? 'end' : job.state === last ? 'progress' : 'state';
          last = job.state;
          return { type, job };
        }),
      ),
    ).pipe(takeWhile((message) => message.type !== 'end', true));
  }

  private visible(visibility: Visibility, id: string): Row | null {
    const row = this.rows.get(id);
    if (!row || row.tenant !== visibility.tenant) return null;
    const { mailbox, domain } = row.view.value;
    return visibility.all || visibility.mailboxes.includes(mailbox) || visibility.domains.includes(domain) ? row : null;
  }

  private mine(who: Actor, id: string): Row {
    const row = this.visible(who.visibility, id);
    if (!row) throw error('NOT_FOUND');
    return row;
  }
}

function error(code: string): JobError {
  return new JobError(code, wordsFor(code).message);
}
