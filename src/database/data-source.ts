import { DataSource, type EntitySchema } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import { Init1764000000000 } from '../../migrations/1764000000000-init.js';
import { Standalone1764000000100 } from '../../migrations/1764000000100-standalone.js';
import { SourceFolderObjectId1764000002000 } from '../../migrations/1764000002000-source-folder-object-id.js';
import { ReadVolume1764000002100 } from '../../migrations/1764000002100-read-volume.js';
import { Batches1764000003000 } from '../../migrations/1764000003000-batches.js';
import { ShellJobs1764000003500 } from '../../migrations/1764000003500-shell-jobs.js';
import { Fairness1764000003510 } from '../../migrations/1764000003510-fairness.js';
import { JobLists1764000004000 } from '../../migrations/1764000004000-job-lists.js';
import { Support1764000004100 } from '../../migrations/1764000004100-support.js';
import { Outbox1764000004200 } from '../../migrations/1764000004200-outbox.js';
import { ProtocolLogs1764000004300 } from '../../migrations/1764000004300-protocol-logs.js';
import { LedgerLatency1764000004400 } from '../../migrations/1764000004400-ledger-latency.js';
import { OneKindOfLink1764000004900 } from '../../migrations/1764000004900-one-kind-of-link.js';
import { RecoveryFiles1764000005700 } from '../../migrations/1764000005700-recovery-files.js';
import { ContentVersions1764000005500 } from '../../migrations/1764000005500-content-versions.js';
import { BatchRounds1764000005100 } from '../../migrations/1764000005100-batch-rounds.js';
import { BatchNotices1764000005800 } from '../../migrations/1764000005800-batch-notices.js';
import { TypedBy1764000005900 } from '../../migrations/1764000005900-typed-by.js';
import { LinksTaken1764000005910 } from '../../migrations/1764000005910-links-taken.js';
import { UploadedFiles1764000006100 } from '../../migrations/1764000006100-uploaded-files.js';
import { ConfiguredDomains1764000005810 } from '../../migrations/1764000005810-configured-domains.js';
import { BatchRowsKept1764000005600 } from '../../migrations/1764000005600-batch-rows-kept.js';

/** Postgres schema of every table of ours. */
export const SCHEMA = 'mailferry';
/** Name of the TypeORM data source, so that it never meets a host panel's own. */
export const DATA_SOURCE = 'mailferry';

/** All SQL migrations, oldest first. Append only. */
export const MIGRATIONS = [
  Init1764000000000,
  Standalone1764000000100,
  SourceFolderObjectId1764000002000,
  ReadVolume1764000002100,
  Batches1764000003000,
  ShellJobs1764000003500,
  Fairness1764000003510,
  JobLists1764000004000,
  Support1764000004100,
  Outbox1764000004200,
  ProtocolLogs1764000004300,
  LedgerLatency1764000004400,
  OneKindOfLink1764000004900,
  BatchRounds1764000005100,
  ContentVersions1764000005500,
  BatchRowsKept1764000005600,
  RecoveryFiles1764000005700,
  BatchNotices1764000005800,
  ConfiguredDomains1764000005810,
  TypedBy1764000005900,
  LinksTaken1764000005910,
  UploadedFiles1764000006100,
];

/** A transaction whose client vanished holds its locks no longer than this; none of ours idles for seconds. */
const IDLE_IN_TRANSACTION_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_DELAY_MS = 30_000;

export interface DatabaseSettings {
  /** postgres://user:password@host:port/name */
  readonly url: string;
  /** Connections of this process, at most. A running job needs one, and one now and then. Default 10. */
  readonly poolSize?: number;
  readonly entities?: readonly (EntitySchema | (new () => unknown))[];
}

/** For TypeOrmModule.forRoot(): no synchronize, no migrations at boot (see migrateDatabase), no extensions. */
export function dataSourceOptions(settings: DatabaseSettings): PostgresDataSourceOptions & { name: string } {
  return {
    name: DATA_SOURCE,
    type: 'postgres',
    url: settings.url,
    schema: SCHEMA,
    poolSize: settings.poolSize ?? 10,
    entities: [...(settings.entities ?? [])],
    synchronize: false,
    migrationsRun: false,
    migrations: MIGRATIONS,
    migrationsTableName: 'migrations',
    // gen_random_uuid() is built in: nothing to install, so no right to install is needed.
    installExtensions: false,
    uuidExtension: 'pgcrypto',
    applicationName: 'mailferry',
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    extra: {
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    },
  };
}

/** Not yet initialized. */
export function createDataSource(settings: DatabaseSettings): DataSource {
  return new DataSource(dataSourceOptions(settings));
}
