import { randomBytes } from 'node:crypto';
import { Test, type TestingModule } from '@nestjs/testing';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { DATA_SOURCE } from '../../src/database/data-source.js';
import type { Actor, NewJob, Visibility } from '../../src/jobs/contract.js';
import { JOB_ENTITIES } from '../../src/jobs/entities.js';
import { JOBS_PROVIDERS } from '../../src/jobs/jobs.providers.js';
import type {
  AuditEvent,
  DestinationGrant,
  Mailbox,
  MailboxRef,
  NotifyTemplate,
  Paged,
  Permission,
  Principal,
} from '../../src/panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../../src/panel/options.js';
import { type PluginOptions, resolveOptions } from '../../src/plugin-options.js';
import { Doorbell } from '../../src/queue/doorbell.js';
import { ALICE, DORA, FakePanel, SAM, TENANT } from '../fakes/fake-panel.js';
import { freshDatabase, type TestDatabase } from '../servers/database.js';

export { TENANT };
/** Must never be found anywhere but in a test's own memory. */
export const CANARY = `canary-${randomBytes(9).toString('base64url')}`;
export const HOST = 'imap.old.test';
export const SOURCE = { type: 'imap', host: HOST, port: 993, security: 'tls', username: 'alice@old.test' } as const;

/** A panel that opens mailboxes too, and can be made to fail. */
export class WorkPanel extends FakePanel {
  readonly gone = new Set<string>();
  readonly opened: string[] = [];
  readonly closed: string[] = [];
  readonly notices: { to: string; template: NotifyTemplate }[] = [];
  auditFails = false;
  down = false;
  kind: 'imap-composite' | 'user-secret' = 'imap-composite';

  reset(): void {
    this.gone.clear();
    this.forbidden.clear();
    this.auditFails = this.down = false;
    this.kind = 'imap-composite';
    for (const list of [this.opened, this.closed, this.notices, this.audited]) list.length = 0;
  }
  override async getMailbox(ref: MailboxRef): Promise<Mailbox | null> {
    if (this.down) throw new Error('the panel is away');
    const domain = ref.address.slice(ref.address.indexOf('@') + 1);
    return this.gone.has(ref.address) || domain !== 'new.test' ? null : { ...ref, domain };
  }
  /** It lists a few, and opens whatever is in the domain. */
  override async listMailboxes(...asked: Parameters<FakePanel['listMailboxes']>): Promise<Paged<Mailbox>> {
    return { ...(await super.listMailboxes(...asked)), partial: true };
  }
  override async openDestination(ref?: MailboxRef): Promise<DestinationGrant> {
    if (this.down) throw new Error('the panel is away');
    const grantId = `g${this.opened.length}`;
    this.opened.push(grantId);
    const common = {
      grantId,
      expiresAt: new Date(Date.now() + 60_000),
      endpoint: { host: 'mail.new.test', port: 993, security: 'tls' as const },
    };
    return this.kind === 'user-secret'
      ? { ...common, kind: 'user-secret', login: ref!.address, secret: null }
      : { ...common, kind: 'imap-composite', login: `${ref!.address}*admin`, secret: { reveal: async () => 'hoster' } };
  }
  override async closeDestination(id?: string): Promise<void> {
    this.closed.push(id!);
  }
  override async notify(to?: string, template?: NotifyTemplate): Promise<void> {
    this.notices.push({ to: to!, template: template! });
  }
  override async audit(event: AuditEvent): Promise<void> {
    if (this.auditFails) throw new Error('no audit today');
    await super.audit(event);
  }
}

/** A bell that only remembers. */
export class SilentBell {
  readonly runs: { job: string; nonce: string }[] = [];
  readonly tests: string[] = [];
  ringRun(job: string, nonce: string): Promise<boolean> {
    this.runs.push({ job, nonce });
    return Promise.resolve(true);
  }
  waiting(): Promise<{ runs: number; tests: number }> {
    return Promise.resolve({ runs: this.runs.length, tests: this.tests.length });
  }
  ringTest(test: string): Promise<boolean> {
    this.tests.push(test);
    return Promise.resolve(true);
  }
}

export interface Room {
  readonly module: TestingModule;
  readonly db: DataSource;
  readonly database: TestDatabase;
  readonly panel: WorkPanel;
  readonly bell: SilentBell;
  readonly options: ResolvedOptions;
  get<T>(what: abstract new (...args: never[]) => T): T;
  /** As if nothing had ever happened. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export type RoomOptions = Partial<Omit<PluginOptions, 'panel' | 'databaseUrl' | 'redis'>>;

/** The jobs room, and what else a spec adds, on a database of its own. */
export async function jobsRoom(
  options: RoomOptions = {},
  more: NonNullable<Parameters<typeof Test.createTestingModule>[0]['providers']> = [],
): Promise<Room> {
  const database = await freshDatabase();
  const panel = new WorkPanel();
  const bell = new SilentBell();
  const resolved = resolveOptions({
    panel,
    databaseUrl: database.url,
    redis: { path: '/nowhere' },
    keys: newKeys(),
    egress: { allowPrivate: true },
    destinationHosts: ['mail.new.test'],
    ...options,
    limits: { testFloorMs: 0, testWaitMs: 2_000, ...options.limits },
    worker: { sweepMs: 100, deadAfterMs: 1_500, ...options.worker },
  });
  const db = await openDatabase(database.url);
  const module = await Test.createTestingModule({
    providers: [
      { provide: PLUGIN_OPTIONS, useValue: resolved },
      { provide: HOST_PANEL, useValue: panel },
      { provide: getDataSourceToken(DATA_SOURCE), useValue: db },
      { provide: Doorbell, useValue: bell },
      ...JOBS_PROVIDERS,
      ...more,
    ],
  })
    .setLogger(false as never)
    .compile();
  return {
    module,
    db,
    database,
    panel,
    bell,
    options: resolved,
    get: (what) => module.get(what as never),
    clear: async () => {
      await db.query(
        `TRUNCATE mailferry.jobs, mailferry.credentials, mailferry.connection_tests, mailferry.passed_tests,
           mailferry.attempts, mailferry.audit, mailferry.workers, mailferry.outbox, mailferry.batches CASCADE`,
      );
      panel.reset();
      bell.runs.length = bell.tests.length = 0;
    },
    close: async () => {
      await module.close();
      if (db.isInitialized) await db.destroy();
      await database.drop();
    },
  };
}

export function openDatabase(url: string): Promise<DataSource> {
  return new DataSource({ type: 'postgres', url, entities: JOB_ENTITIES, poolSize: 8 }).initialize();
}

export function newKeys(id = 'k1'): string {
  return `${id}:${randomBytes(32).toString('base64')}`;
}

export function actor(principal: Principal = ALICE): Actor {
  const visibility: Visibility = {
    tenant: TENANT,
    all: principal.role === 'support',
    mailboxes: principal.mailboxes,
    domains: principal.domains,
  };
  return { sub: principal.sub, tenant: TENANT, ip: '192.0.2.1', visibility, principal };
}
export const alice = actor();
export const dora = actor(DORA);
export const sam = actor(SAM);

export function newJob(more: Partial<NewJob> = {}): NewJob {
  return {
    mailbox: 'alice@new.test',
    source: SOURCE,
    secret: { password: CANARY },
    items: ['mail'],
    existing: 'keep',
    ...more,
  };
}

/** The code an action is refused with; 'done' when it is not. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
}

export async function until<T>(look: () => Promise<T | null | undefined | false>, ms = 10_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error('it did not come to that in time');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
export type { Permission };
