import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import { ITEM_KINDS, type ItemKind } from '../mailbox/kinds.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { Doorbell } from '../queue/doorbell.js';
import { Admission, jobError } from './admission.js';
import { accountSubject, Attempts, signInSubjects } from './attempts.js';
import type { Actor, ConnectionTestsApi, DestinationSecret, Discovered, NewTest, SourceSecret } from './contract.js';
import { ConnectionTestEntity, JobEntity } from './entities.js';
import type { DiscoveredType, JobFilters, SourceSettings, TestResult, TestView } from './job.js';
import { hasSource, isUuid } from './job-view.js';
import { missingSecret } from './job-gate.js';
import { inMs, TEST_MS } from './keeping.js';
import { SecretStore } from './secrets.js';
import { checkAddress, checkSettings, invalid, isOfFiles } from './settings.js';
import { sourceHash } from './source-hash.js';
import { KEYRING } from './tokens.js';
import { isVisible } from './visibility.js';

/** How often a waiting request looks at its row (ms). */
const LOOK_MS = 150;
const PENDING: Omit<TestResult, 'code'> = {
  ok: false,
  message: '',
  folders: [],
  totals: { folders: 0, items: 0, bytes: 0 },
};

interface NewRow {
  readonly purpose: ConnectionTestEntity['purpose'];
  readonly tenant: string;
  readonly requestedBy: string;
  readonly mailbox?: string | null;
  readonly job?: string;
  readonly source?: ConnectionTestEntity['source'];
  readonly hash?: string | null;
  readonly items?: readonly ItemKind[];
  readonly filters?: JobFilters;
  readonly secret?: SourceSecret;
  readonly destination?: DestinationSecret;
}

/** Writes the row, rings, and waits for the worker's answer in the row. Dials nothing. */
@Injectable()
export class ConnectionTestsService implements ConnectionTestsApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(KEYRING) private readonly keyring: Keyring,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(Attempts) private readonly attempts: Attempts,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(Doorbell) private readonly doorbell: Doorbell,
  ) {}

  async request(who: Actor, test: NewTest): Promise<string> {
    const row = test.job === undefined ? await this.ofSettings(who, test) : await this.ofDraft(who, test.job);
    const { source } = row;
    // Counted before anything is judged: the limits are what keeps this from being used to look around.
    if (!(await this.attempts.takeTest(who.tenant, who.sub, source.host || undefined))) throw jobError('RATE_LIMITED');
    if (!isOfFiles(source)) {
      await this.admission.target(source);
      if (row.mailbox != null) this.admission.notItself(source, row.mailbox);
    }
    if (await this.attempts.isLocked(accountSubject(source))) throw jobError('RATE_LIMITED');
    return this.insert(row);
  }

  /**
   * A test of a job in a batch. It counts for no person's limit: a batch has one server, is tested a few rows at a time,
   * and stops by itself when that server has had enough.
   */
  async requestOfBatch(who: Actor, job: string): Promise<string> {
    const row = await this.ofDraft(who, job);
    await this.admission.target(row.source);
    this.admission.notItself(row.source, row.mailbox!);
    if (await this.attempts.isLocked(accountSubject(row.source))) throw jobError('RATE_LIMITED');
    return this.insert(row);
  }

  async get(who: Actor, id: string): Promise<TestView | null> {
    const row = await this.find(id);
    if (row === null || row.purpose !== 'test' || row.tenant !== who.tenant || row.requestedBy !== who.sub) return null;
    return view(row);
  }

  async wait(who: Actor, id: string, ms: number): Promise<TestView | null> {
    const until = performance.now() + ms;
    for (;;) {
      const test = await this.get(who, id);
      if (test === null || test.state === 'done' || performance.now() >= until) return test;
      await sleep(LOOK_MS);
    }
  }

  async signIn(tenant: string, address: string, password: string, ip: string): Promise<{ ok: boolean; code: string }> {
    const mailbox = checkAddress(address);
    const destination = checkSettings({ destination: { password } }).destination!;
    for (const subject of signInSubjects(tenant, mailbox, ip))
      if (await this.attempts.isLocked(subject)) throw jobError('RATE_LIMITED');
    if (!(await this.attempts.takeTest(tenant, `sign-in:${ip}`))) throw jobError('RATE_LIMITED');
    const id = await this.insert({ purpose: 'sign-in', tenant, requestedBy: ip, mailbox, destination });
    const result = await this.result(id);
    return { ok: result?.['ok'] === true, code: typeof result?.['code'] === 'string' ? result['code'] : 'TIMEOUT' };
  }

  async discover(who: Actor, address: string, type: DiscoveredType = 'imap'): Promise<Discovered> {
    const mailbox = checkAddress(address, 'address');
    if (!(await this.attempts.takeTest(who.tenant, who.sub, mailbox.slice(mailbox.lastIndexOf('@') + 1))))
      throw jobError('RATE_LIMITED');
    const of = { tenant: who.tenant, requestedBy: who.sub, mailbox, source: { type } };
    const id = await this.insert({ purpose: 'discover', ...of });
    const result = await this.result(id);
    return result === null ? { found: false } : (result as unknown as Discovered);
  }

  private async ofSettings(who: Actor, test: NewTest): Promise<NewRow & { source: SourceSettings }> {
    const { source, secret, destination, items } = checkSettings({
      source: test.source,
      secret: test.secret,
      destination: test.destination,
      items: test.items,
    });
    if (source === undefined) throw invalid({ source: 'is missing' });
    // They belong to a migration: the test names that.
    if (isOfFiles(source)) throw jobError('FILES_MISSING', { side: 'source' });
    if (secret === undefined) throw jobError('CREDENTIALS_REQUIRED', { side: 'source' });
    return {
      purpose: 'test',
      tenant: who.tenant,
      requestedBy: who.sub,
      mailbox: test.mailbox === undefined ? null : await this.mailbox(who, test.mailbox),
      source,
      hash: sourceHash(this.keyring, source, secret),
      // Calendars that nobody asked about must not fail the test of a mail account.
      items: items ?? (source.type === 'imap' ? ['mail'] : ITEM_KINDS),
      secret,
      ...(destination === undefined ? {} : { destination }),
    };
  }

  /** The job's own settings; its sealed secrets stay where they are. */
  private async ofDraft(who: Actor, id: string): Promise<NewRow & { source: SourceSettings }> {
    const job = isUuid(id) ? await this.db.manager.findOneBy(JobEntity, { id, tenant: who.tenant }) : null;
    if (job === null || !isVisible(who.visibility, job)) throw jobError('NOT_FOUND');
    if (!hasSource(job)) throw invalid({ source: 'is missing' });
    if (!(await this.secrets.held(id)).source) throw jobError(missingSecret(job.source), { side: 'source' });
    return {
      purpose: 'test',
      tenant: who.tenant,
      requestedBy: who.sub,
      mailbox: await this.mailbox(who, job.mailbox),
      job: id,
      source: job.source,
      hash: job.sourceHash,
      items: job.items,
      filters: job.filters,
    };
  }

  /** What somebody may not see does not exist for him. */
  private async mailbox(who: Actor, text: string): Promise<string> {
    const address = checkAddress(text);
    const { domain } = await this.admission.mailbox({ tenantId: who.tenant, address });
    if (!isVisible(who.visibility, { tenant: who.tenant, mailbox: address, domain })) throw jobError('FORBIDDEN');
    return address;
  }

  private async insert(row: NewRow): Promise<string> {
    const until = inMs(TEST_MS);
    const id = await this.db.transaction(async (manager) => {
      const [made]: { id: string }[] = await manager.query(
        `INSERT INTO mailferry.connection_tests
           (purpose, tenant, requested_by, mailbox, job, source, source_hash, items, filters, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
        [
          row.purpose,
          row.tenant,
          row.requestedBy,
          row.mailbox ?? null,
          row.job ?? null,
          JSON.stringify(row.source ?? {}),
          row.hash ?? null,
          row.items ?? ['mail'],
          JSON.stringify(row.filters ?? {}),
          until,
        ],
      );
      const at = { tenant: row.tenant, owner: made!.id, typedBy: row.requestedBy };
      if (row.secret !== undefined) await this.secrets.putSource(manager, at, row.secret, until);
      if (row.destination !== undefined) await this.secrets.putDestination(manager, at, row.destination, until);
      return made!.id;
    });
    void this.doorbell.ringTest(id);
    return id;
  }

  /** Waits for a result nobody else asks for, and removes the row with it. Null: not in time. */
  private async result(id: string): Promise<Record<string, unknown> | null> {
    const until = performance.now() + this.options.limits.testWaitMs;
    let row = await this.find(id);
    while (row !== null && row.state !== 'done' && performance.now() < until) {
      await sleep(LOOK_MS);
      row = await this.find(id);
    }
    await this.db.transaction(async (manager) => {
      await this.secrets.erase(manager, id);
      await manager.delete(ConnectionTestEntity, { id });
    });
    return row?.state === 'done' ? row.result : null;
  }

  private async find(id: string): Promise<ConnectionTestEntity | null> {
    return isUuid(id) ? this.db.manager.findOneBy(ConnectionTestEntity, { id }) : null;
  }
}

function view({ id, state, result }: ConnectionTestEntity): TestView {
  if (state !== 'done' || result === null)
    return { ...PENDING, code: 'PENDING', id, state: state === 'done' ? 'running' : state };
  return { ...(result as unknown as TestResult), id, state };
}
