import { randomUUID } from 'node:crypto';
import type { BatchAction, BatchSummary, BatchView, RowFilter, RowView } from '../../src/batches/batch.js';
import { mayUse } from '../../src/batches/batch-record.js';
import { nextBatchState } from '../../src/batches/batch-state.js';
import type {
  ActOptions,
  BatchesApi,
  BatchRows,
  BatchSettings,
  Connection,
  Filled,
  InvitationLink,
  NewBatch,
  RowsQuery,
} from '../../src/batches/contract.js';
import { readCsv } from '../../src/batches/csv-rows.js';
import { checkBatch } from '../../src/batches/settings.js';
import { JobError, type Actor, type Visibility } from '../../src/jobs/contract.js';
import { JOB_STATES, type JobState } from '../../src/jobs/job.js';
import { wordsFor } from '../../src/jobs/messages.js';

const NO_ITEMS = { found: 0, copied: 0, alreadyThere: 0, skipped: 0, failed: 0 };
const SHOWS: Readonly<Record<RowFilter, (row: RowView) => boolean>> = {
  all: () => true,
  attention: ({ state, outcome }) => state === 'failed' || state === 'needs-action' || outcome === 'incomplete',
  active: ({ state }) => state === 'queued' || state === 'running',
  waiting: ({ state }) => state === 'draft' || state === 'waiting' || state === 'paused',
  completed: ({ outcome }) => outcome === 'complete',
  refused: ({ job }) => job === null,
  'not-ready': ({ ready, job }) => job !== null && !ready,
  'test-failed': ({ test }) => test?.ok === false,
  'too-big': ({ test }) => test?.fits === false,
};

/** Batches in memory, without a worker: what a page shows is what a test puts in. */
export class FakeBatches implements BatchesApi {
  readonly batches = new Map<string, BatchView>();
  readonly rowsOf = new Map<string, RowView[]>();
  readonly acts: { id: string; action: BatchAction; options: ActOptions }[] = [];
  readonly filled: BatchRows[] = [];
  readonly passwords: string[] = [];
  /** Rows of which the panel was not asked. */
  notChecked = 0;
  linksOf: InvitationLink[] = [];

  async create(who: Actor, batch: NewBatch): Promise<BatchView> {
    if (!mayUse(who.visibility, batch.domain)) throw problem('FORBIDDEN');
    const id = randomUUID();
    this.rowsOf.set(id, []);
    return this.put(id, batch.domain, batch, batch.name ?? '');
  }
  async change(who: Actor, id: string, batch: BatchSettings & { name?: string }): Promise<BatchView> {
    const { domain } = this.must(who.visibility, id);
    this.rowsOf.set(id, []);
    return this.put(id, domain, batch, batch.name ?? '');
  }
  async fill(who: Actor, id: string, rows: BatchRows): Promise<Filled> {
    this.must(who.visibility, id);
    this.filled.push(rows);
    const given =
      'csv' in rows
        ? (await readCsv(rows.csv)).rows
        : 'rows' in rows
          ? rows.rows
          : (rows.panel === 'all' ? ['alice@new.test', 'bob@new.test'] : rows.panel).map((mailbox, i) => ({
              row: i + 1,
              mailbox,
              username: '',
              password: '',
            }));
    this.rowsOf.set(
      id,
      given.map(({ row, mailbox, username }) => {
        const foreign = !mailbox.endsWith(`@${this.batches.get(id)!.domain}`);
        return {
          ...NO_ITEMS,
          row,
          mailbox,
          username: username || mailbox,
          job: foreign ? null : randomUUID(),
          state: foreign ? null : 'draft',
          erased: false,
          outcome: null,
          wanted: false,
          reason: foreign ? { code: 'FOREIGN_DOMAIN', ...wordsFor('FOREIGN_DOMAIN') } : null,
          bytes: 0,
          ready: true,
          invitation: null,
          test: null,
        };
      }),
    );
    const batch = this.recount(id);
    const refused = this.rowsOf
      .get(id)!
      .flatMap(({ row, job, reason }) => (job === null ? [{ row, code: reason!.code, message: reason!.message }] : []));
    return { batch, refused, notChecked: this.notChecked };
  }
  async list(sees: Visibility, domain: string): Promise<BatchSummary[]> {
    return [...this.batches.values()]
      .filter((batch) => batch.domain === domain && mayUse(sees, domain))
      .map(({ id, name, state, source, counts, createdAt }) => ({
        id,
        name,
        state,
        host: source.host,
        accepted: counts.accepted,
        completed: counts.states.completed,
        attention: counts.states.failed + counts.incomplete,
        createdAt,
      }));
  }
  async get(sees: Visibility, id: string): Promise<BatchView | null> {
    const batch = this.batches.get(id);
    return batch !== undefined && mayUse(sees, batch.domain) ? batch : null;
  }
  async rows(
    sees: Visibility,
    id: string,
    { show, q = '', page, perPage }: RowsQuery,
  ): Promise<{ rows: RowView[]; total: number } | null> {
    if ((await this.get(sees, id)) === null) return null;
    const all = this.rowsOf.get(id)!.filter((row) => SHOWS[show](row) && row.mailbox.includes(q));
    return { rows: all.slice((page - 1) * perPage, page * perPage), total: all.length };
  }
  async worst(sees: Visibility, id: string): Promise<RowView[] | null> {
    if ((await this.get(sees, id)) === null) return null;
    return this.rowsOf.get(id)!.filter(SHOWS.attention).slice(0, 10);
  }
  async act(who: Actor, id: string, action: BatchAction, options: ActOptions = {}): Promise<BatchView> {
    const batch = this.must(who.visibility, id);
    const state = nextBatchState(batch.state, action);
    if (state === null) throw problem('INVALID_STATE');
    this.acts.push({ id, action, options });
    return this.show(id, { state });
  }
  async reschedule(who: Actor, id: string, schedule: object): Promise<BatchView> {
    const { options } = this.must(who.visibility, id);
    return this.show(id, { options: { ...options, ...schedule } });
  }
  async setPassword(who: Actor, id: string, password: string): Promise<BatchView> {
    this.passwords.push(password);
    return this.must(who.visibility, id);
  }
  async reconnect(who: Actor, id: string, { password: _, ...connection }: Connection): Promise<BatchView> {
    const { source } = this.must(who.visibility, id);
    return this.show(id, { source: { ...source, ...connection } });
  }
  async invite(who: Actor, id: string): Promise<number> {
    return this.must(who.visibility, id).counts.accepted;
  }
  async links(who: Actor, id: string): Promise<InvitationLink[]> {
    this.must(who.visibility, id);
    return this.linksOf;
  }
  async discard(who: Actor, id: string): Promise<void> {
    this.must(who.visibility, id);
    this.batches.delete(id);
  }

  /** For a test: the batch as it is to look. */
  show(id: string, change: Partial<BatchView>): BatchView {
    const batch = { ...this.batches.get(id)!, ...change };
    this.batches.set(id, batch);
    return batch;
  }
  /** Counts its rows anew. */
  recount(id: string): BatchView {
    const rows = this.rowsOf.get(id)!;
    const accepted = rows.filter(({ job }) => job !== null);
    const n = (test: (row: RowView) => boolean): number => accepted.filter(test).length;
    return this.show(id, {
      counts: {
        rows: rows.length,
        accepted: accepted.length,
        refused: rows.length - accepted.length,
        states: Object.fromEntries(JOB_STATES.map((state) => [state, n((row) => row.state === state)])) as Record<
          JobState,
          number
        >,
        incomplete: n(({ outcome }) => outcome === 'incomplete'),
        wanted: n(({ wanted }) => wanted),
        stuck: 0,
        erased: n(({ erased }) => erased),
        unfinished: n(({ state }) => state === 'failed' || state === 'paused' || state === 'needs-action'),
        ready: n(({ ready }) => ready),
        invited: n(({ invitation }) => invitation !== null),
        tested: n(({ test }) => test !== null),
        testsPassed: n(({ test }) => test?.ok === true),
        testsWaiting: 0,
        tooBig: n(({ test }) => test?.fits === false),
      },
    });
  }

  private put(id: string, domain: string, settings: BatchSettings, name: string): BatchView {
    const { source, auth, options } = checkBatch(settings);
    this.batches.set(id, {
      id,
      name,
      domain,
      state: 'draft',
      source,
      auth: { ...auth, ...source.login },
      options,
      counts: undefined as never,
      progress: { ...NO_ITEMS, bytes: 0, totalBytes: 0, rate: 0 },
      pass: 0,
      finishing: false,
      inHours: true,
      testing: false,
      startAt: null,
      nextSyncAt: null,
      actions: ['test', 'start', 'cancel'],
      createdAt: '2026-03-02T08:10:00.000Z',
      startedAt: null,
      finishedAt: null,
    });
    return this.recount(id);
  }
  private must(sees: Visibility, id: string): BatchView {
    const batch = this.batches.get(id);
    if (batch === undefined || !mayUse(sees, batch.domain)) throw problem('NOT_FOUND');
    return batch;
  }
}

function problem(code: string): JobError {
  return new JobError(code, wordsFor(code).message);
}
