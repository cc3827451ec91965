import {
  JobError,
  type Actor,
  type LinkAction,
  type LinkLook,
  type LinkOver,
  type LinksApi,
  type LinkSecrets,
  type Redeemed,
  type Visibility,
} from '../../src/jobs/contract.js';
import type {
  AuditApi,
  AuditPage,
  AuditQuery,
  AuditRow,
  Fleet,
  FleetApi,
  SupportApi,
  SupportCase,
} from '../../src/support/contract.js';
import type { FakeRoom } from './fake-jobs.js';

const EMPTY: SupportCase = {
  logs: [],
  logWanted: false,
  groups: [],
  events: [],
  notes: [],
  handledAt: null,
  link: null,
  hasPassword: true,
};

/** The support room in memory, for tests of the pages. What a test puts into the fields is what the pages show. */
export class FakeSupport implements SupportApi {
  readonly cases = new Map<string, SupportCase>();
  readonly leftOut: { id: string; code: string; reason: string }[] = [];
  constructor(private readonly room: FakeRoom) {}

  async look(visibility: Visibility, id: string): Promise<SupportCase | null> {
    only(visibility);
    return this.room.seen(visibility, id) === null ? null : (this.cases.get(id) ?? EMPTY);
  }
  async leaveOut(who: Actor, id: string, code: string, reason: string): Promise<number> {
    only(who.visibility);
    this.room.mine(who, id);
    if (reason === '') throw new JobError('VALIDATION', 'reason is missing.');
    return this.leftOut.push({ id, code, reason });
  }
  async askLog(who: Actor, id: string): Promise<void> {
    only(who.visibility);
    this.room.mine(who, id);
    this.cases.set(id, { ...(this.cases.get(id) ?? EMPTY), logWanted: true });
  }
  async note(who: Actor, id: string, text: string, handled: boolean): Promise<void> {
    only(who.visibility);
    this.room.mine(who, id);
    const at = new Date().toISOString();
    const before = this.cases.get(id) ?? EMPTY;
    const notes = [{ at, author: who.sub, text, handled }, ...before.notes];
    this.cases.set(id, { ...before, notes, handledAt: handled ? at : before.handledAt });
  }
}

export class FakeFleet implements FleetApi {
  fleet: Fleet = {
    workers: [],
    jobs: { queued: 0, running: 0, waiting: 0, stalled: 0 },
    oldestQueuedAt: null,
    nextWakeAt: null,
    rings: { runs: 0, tests: 0 },
  };
  async look(visibility: Visibility): Promise<Fleet> {
    only(visibility);
    return this.fleet;
  }
  async drain(who: Actor, id: string, drain: boolean): Promise<void> {
    only(who.visibility);
    const { workers } = this.fleet;
    if (!workers.some((worker) => worker.id === id)) throw new JobError('NOT_FOUND', 'There is no such worker.');
    const state = drain ? ('draining' as const) : ('well' as const);
    this.fleet = {
      ...this.fleet,
      workers: workers.map((worker) => (worker.id === id ? { ...worker, drain, state } : worker)),
    };
  }
}

export class FakeAudit implements AuditApi {
  rows: AuditRow[] = [];
  readonly asked: AuditQuery[] = [];
  async search(visibility: Visibility, query: AuditQuery, { limit }: { limit: number }): Promise<AuditPage> {
    only(visibility);
    this.asked.push(query);
    return { rows: this.rows.slice(0, limit), next: this.rows[limit]?.id ?? null };
  }
  async csv(who: Actor): Promise<AsyncIterable<string>> {
    only(who.visibility);
    const rows = this.rows;
    return (async function* () {
      yield 'at,who,actor,action,job,mailbox,ip,detail\r\n';
      for (const { at, who: sub, action } of rows) yield `${at},${sub},,${action},,,,\r\n`;
    })();
  }
}

/** Tokens are `t-` and the job's id; the password `right` is right, and no other. */
export class FakeLinks implements LinksApi {
  readonly over = new Map<string, LinkOver>();
  readonly made: { id: string; then: LinkAction | null }[] = [];
  readonly given: ({ token: string } & LinkSecrets)[] = [];
  /** What the servers say to the next password; null: as above. */
  refusal: string | null = null;
  asksDestination = false;
  goesOn = true;
  /** Thrown at whoever gives a password. */
  failure: Error | null = null;
  constructor(private readonly room: FakeRoom) {}

  async make(who: Actor, id: string, then: LinkAction | null): Promise<{ token: string; expiresAt: Date }> {
    this.room.mine(who, id);
    this.made.push({ id, then });
    return { token: `t-${id}`, expiresAt: new Date(Date.now() + 3_600_000) };
  }
  async look(token: string): Promise<LinkLook> {
    const is = this.over.get(token);
    if (is !== undefined) return { is };
    const view = this.room.records.get(token.slice(2))?.view;
    if (view === undefined) return { is: 'unknown' };
    const { username, host } = view.source;
    const expiresAt = '2027-03-16T08:00:00.000Z';
    return {
      is: 'open',
      mailbox: view.mailbox,
      username,
      host,
      expiresAt,
      asksDestination: this.asksDestination,
      seen: 'as shown',
    };
  }
  async redeem(token: string, secrets: LinkSecrets): Promise<Redeemed> {
    if (this.failure !== null) throw this.failure;
    const code =
      secrets.seen !== 'as shown'
        ? 'SOURCE_CHANGED'
        : (this.refusal ?? (secrets.password === 'right' ? null : 'AUTH_FAILED'));
    this.refusal = null;
    if (code !== null) return { is: 'refused', code };
    this.given.push({ token, ...secrets });
    this.over.set(token, 'used');
    return { is: 'done', goesOn: this.goesOn };
  }
}

function only({ all }: Visibility): void {
  if (!all) throw new JobError('FORBIDDEN', 'You may not do this.');
}
