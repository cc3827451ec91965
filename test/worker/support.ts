import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { SourceSecret } from '../../src/jobs/contract.js';
import type { SourceSettings } from '../../src/jobs/job.js';
import { ensureLink } from '../../src/ledger/links.js';
import { PostgresLedger } from '../../src/ledger/postgres-ledger.js';
import { TransferError, type TransferErrorInit } from '../../src/mailbox/transfer-error.js';
import type { DestinationGrant } from '../../src/panel/host-panel.js';
import type { SourceFacts } from '../../src/sources/source.js';
import { runTransfer } from '../../src/transfer/run-transfer.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { ConnectionTester } from '../../src/worker/connection-tester.js';
import { DestinationAccess } from '../../src/worker/destination-access.js';
import { ENDPOINTS, type Endpoints, LEDGER, LINKS, RUN_TRANSFER, STAGING } from '../../src/worker/endpoints.js';
import { Pruner } from '../../src/worker/pruner.js';
import { RunJob } from '../../src/worker/run-job.js';
import { SameMailbox } from '../../src/worker/same-mailbox.js';
import { RecoveryFiles } from '../../src/worker/recovery-files.js';
import { SecretOpener } from '../../src/worker/secret-opener.js';
import { Sweeper } from '../../src/worker/sweeper.js';
import { TestRecord } from '../../src/worker/test-record.js';
import { FakeClock } from '../fakes/fake-clock.js';
import { FakeDestination, type FakeDestinationQuirks } from '../fakes/fake-destination.js';
import { FakeMailbox } from '../fakes/fake-mailbox.js';
import { FakeSource } from '../fakes/fake-source.js';
import { jobsRoom, type Room, type RoomOptions } from '../jobs/support.js';

export const WORKER = '11111111-2222-4333-8444-555555555555';

/** What the worker dials in these specs: mailboxes in memory, and a say in what happens. */
export class Outside implements Endpoints {
  oldMailbox = new FakeMailbox();
  newMailbox = new FakeMailbox();
  readonly signedIn: { settings: SourceSettings; secret: SourceSecret }[] = [];
  readonly grants: DestinationGrant[] = [];
  onConnect: () => Promise<void> | void = () => undefined;
  onScan: (signal: AbortSignal) => Promise<void> | void = () => undefined;
  onDestination: (grant: DestinationGrant) => Promise<void> | void = () => undefined;
  quirks: FakeDestinationQuirks = {};
  discovered = 0;

  fill(count: number): this {
    const inbox = this.oldMailbox.ensure(['INBOX'], 'inbox');
    for (let i = 0; i < count; i++)
      inbox.append(Buffer.from(`Message-ID: <${i}@old.test>\r\nSubject: ${i}\r\n\r\nbody ${i}\r\n`), ['\\Seen'], {
        seconds: 1_700_000_000 + i,
        offset: 60,
      });
    return this;
  }
  reset(): void {
    this.oldMailbox = new FakeMailbox();
    this.newMailbox = new FakeMailbox();
    this.newMailbox.ensure(['INBOX'], 'inbox');
    this.signedIn.length = this.grants.length = this.discovered = 0;
    this.onConnect = this.onScan = this.onDestination = () => undefined;
    this.quirks = {};
  }

  source(settings: SourceSettings, secret: SourceSecret): FakeSource {
    return new WatchedSource(this, settings, secret);
  }
  destination(grant: () => Promise<DestinationGrant>): FakeDestination {
    return new WatchedDestination(this, grant);
  }
  async discover(): Promise<{ found: boolean }> {
    this.discovered++;
    return { found: true };
  }
}

class WatchedSource extends FakeSource {
  constructor(
    private readonly outside: Outside,
    private readonly settings: SourceSettings,
    private readonly secret: SourceSecret,
  ) {
    super(outside.oldMailbox);
  }
  override async connect(): Promise<SourceFacts> {
    this.outside.signedIn.push({ settings: this.settings, secret: this.secret });
    await this.outside.onConnect();
    return super.connect();
  }
  override async *scan(...args: Parameters<FakeSource['scan']>): ReturnType<FakeSource['scan']> {
    await this.outside.onScan(args[2]);
    yield* super.scan(...args);
  }
}

class WatchedDestination extends FakeDestination {
  constructor(
    private readonly outside: Outside,
    private readonly ask: () => Promise<DestinationGrant>,
  ) {
    super(outside.newMailbox, new FakeClock(Date.now()), outside.quirks);
  }
  override async connect(): ReturnType<FakeDestination['connect']> {
    const grant = await this.ask();
    this.outside.grants.push(grant);
    await this.outside.onDestination(grant);
    return super.connect();
  }
}

export function failure(code: string, more: Partial<TransferErrorInit> = {}): TransferError {
  return new TransferError(`words of the server about ${code}`, {
    side: 'source',
    scope: 'account',
    retry: 'user',
    code,
    ...more,
  });
}

export interface WorkerRoom extends Room {
  readonly outside: Outside;
  run(id: string, shutdown?: AbortSignal): Promise<boolean>;
}

/** Jobs room and worker without queue and timers: a spec says when what happens. The ledger is the real one. */
export async function workerRoom(options: RoomOptions = {}): Promise<WorkerRoom> {
  const outside = new Outside();
  outside.reset();
  const database = getDataSourceToken('mailferry');
  const room = await jobsRoom(options, [
    SecretOpener,
    DestinationAccess,
    SameMailbox,
    TestRecord,
    RecoveryFiles,
    RunJob,
    ConnectionTester,
    Sweeper,
    Pruner,
    { provide: ENDPOINTS, useValue: outside },
    {
      provide: LINKS,
      inject: [database],
      useFactory: (db: DataSource) => ({
        ensure: (
          { tenantId, address }: { tenantId: string; address: string },
          { kind, stableId }: { kind: string; stableId: string },
        ) => ensureLink(db, { tenant: tenantId, address, sourceKind: kind, accountHash: stableId }),
      }),
    },
    {
      provide: LEDGER,
      inject: [database],
      useFactory: (db: DataSource) =>
        new PostgresLedger(db, { ttlMs: 4_000, graceMs: 200, marginMs: 500, renewMs: 1_000, pollMs: 50 }),
    },
    { provide: STAGING, useValue: new BodyStaging() },
    { provide: RUN_TRANSFER, useValue: runTransfer },
  ]);
  const clear = room.clear;
  return {
    ...room,
    outside,
    run: (id, shutdown = new AbortController().signal) => room.get(RunJob).execute(id, WORKER, shutdown),
    clear: async () => {
      await clear();
      await room.db.query(`TRUNCATE mailferry.dest_mailboxes CASCADE`);
      outside.reset();
    },
  };
}
