import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { ItemKind } from '../mailbox/kinds.js';
import type {
  DiscoveredType,
  JobFilters,
  JobOptions,
  JobOutcome,
  JobRunner,
  JobState,
  Reason,
  RunKind,
  SourceSettings,
  TestResult,
} from './job.js';

/** Postgres schema of every table of ours (src/database/data-source.ts). */
const schema = 'mailferry';

/** bigint comes as text; our counters stay far below 2^53. */
const count = { type: 'bigint', default: 0, transformer: { from: Number, to: (n: number) => n } } as const;

@Entity({ schema, name: 'jobs', synchronize: false })
export class JobEntity {
  @PrimaryGeneratedColumn('uuid') id: string;
  @Column('text') tenant: string;
  @Column('text') domain: string;
  /** The address, lower case. */
  @Column('text') mailbox: string;
  /** `sub` of whoever made it. */
  @Column('text') owner: string;
  @Column('uuid', { nullable: true }) link: string | null;
  @Column('uuid', { nullable: true }) batch: string | null;
  /** Who carries it out. */
  @Column('text') runner: JobRunner;
  @Column('text') state: JobState;
  @Column('text', { nullable: true }) outcome: JobOutcome | null;
  @Column('jsonb', { nullable: true }) reason: Reason | null;
  @Column('timestamptz', { nullable: true }) until: Date | null;
  /** Empty in a young draft. */
  @Column('jsonb') source: SourceSettings | Record<string, never>;
  /** Recognises settings and password without holding them: see source-hash.ts. Null: not known. */
  @Column('text', { name: 'source_hash', nullable: true }) sourceHash: string | null;
  @Column('text', { array: true }) items: ItemKind[];
  @Column('text') existing: 'keep' | 'replace';
  /** The address was typed to confirm a replace. */
  @Column('boolean') confirmed: boolean;
  @Column('jsonb') filters: JobFilters;
  @Column('jsonb') options: JobOptions;
  @Column('jsonb') form: Record<string, unknown>;
  @Column('text', { name: 'next_run' }) nextRun: RunKind;
  /** Waits in a row without anything copied in between. */
  @Column('int') attempts: number;
  @Column(count) found: number;
  @Column(count) copied: number;
  @Column({ ...count, name: 'already_there' }) alreadyThere: number;
  @Column(count) skipped: number;
  @Column(count) failed: number;
  @Column(count) bytes: number;
  @Column({ ...count, name: 'total_bytes' }) totalBytes: number;
  @Column('double precision', { nullable: true }) rate: number | null;
  @Column('int', { name: 'eta_seconds', nullable: true }) etaSeconds: number | null;
  @Column('timestamptz', { name: 'tested_at', nullable: true }) testedAt: Date | null;
  @Column('text', { name: 'tested_hash', nullable: true }) testedHash: string | null;
  @Column('jsonb', { name: 'test_result', nullable: true }) testResult: (TestResult & { id: string }) | null;
  @Column('text', { name: 'idempotency_key', nullable: true }) idempotencyKey: string | null;
  @Column(count) version: number;
  @Column('timestamptz', { name: 'created_at' }) createdAt: Date;
  @Column('timestamptz', { name: 'updated_at' }) updatedAt: Date;
  /** When the state was last set. */
  @Column('timestamptz', { name: 'changed_at' }) changedAt: Date;
  /** Support said that it is dealt with; any change of the state takes that back. */
  @Column('timestamptz', { name: 'handled_at', nullable: true }) handledAt: Date | null;
  @Column('timestamptz', { name: 'queued_at', nullable: true }) queuedAt: Date | null;
  @Column('timestamptz', { name: 'started_at', nullable: true }) startedAt: Date | null;
  @Column('timestamptz', { name: 'finished_at', nullable: true }) finishedAt: Date | null;
}

export type RunState =
  'running' | 'completed' | 'failed' | 'interrupted' | 'waiting' | 'needs-action' | 'cancelled' | 'paused';

@Entity({ schema, name: 'runs', synchronize: false })
export class RunEntity {
  @PrimaryGeneratedColumn('uuid') id: string;
  @Column('uuid') job: string;
  @Column('text') kind: RunKind;
  @Column('text') state: RunState;
  @Column('jsonb', { nullable: true }) reason: Reason | null;
  @Column('uuid', { nullable: true }) worker: string | null;
  @Column('timestamptz', { name: 'beat_at' }) beatAt: Date;
  @Column('timestamptz', { name: 'started_at' }) startedAt: Date;
  @Column('timestamptz', { name: 'finished_at', nullable: true }) finishedAt: Date | null;
}

@Entity({ schema, name: 'connection_tests', synchronize: false })
export class ConnectionTestEntity {
  @PrimaryGeneratedColumn('uuid') id: string;
  @Column('text') purpose: 'test' | 'sign-in' | 'discover';
  @Column('text') tenant: string;
  @Column('text', { name: 'requested_by' }) requestedBy: string;
  /** The new mailbox; of a discovery, the old address. */
  @Column('text', { nullable: true }) mailbox: string | null;
  @Column('uuid', { nullable: true }) job: string | null;
  /** Of a discovery, what kind of server is looked for. */
  @Column('jsonb') source: SourceSettings | { type?: DiscoveredType };
  @Column('text', { name: 'source_hash', nullable: true }) sourceHash: string | null;
  @Column('text', { array: true }) items: ItemKind[];
  @Column('jsonb') filters: JobFilters;
  @Column('text') state: 'queued' | 'running' | 'done';
  /** TestResult, {ok, code} of a sign-in, or Discovered. */
  @Column('jsonb', { nullable: true }) result: Record<string, unknown> | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt: Date;
  @Column('timestamptz', { name: 'started_at', nullable: true }) startedAt: Date | null;
  @Column('timestamptz', { name: 'finished_at', nullable: true }) finishedAt: Date | null;
  @Column('timestamptz', { name: 'expires_at' }) expiresAt: Date;
}

@Entity({ schema, name: 'credentials', synchronize: false })
export class CredentialEntity {
  @PrimaryGeneratedColumn('uuid') id: string;
  @Column('text') tenant: string;
  /** Id of the job or connection test. */
  @Column('uuid') owner: string;
  @Column('text') field: string;
  @Column('text', { name: 'key_id' }) keyId: string;
  @Column('bytea', { name: 'wrapped_key' }) wrappedKey: Buffer;
  @Column('bytea') nonce: Buffer;
  @Column('bytea') ciphertext: Buffer;
  @Column('timestamptz', { name: 'expires_at', nullable: true }) expiresAt: Date | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt: Date;
}

@Entity({ schema, name: 'passed_tests', synchronize: false })
export class PassedTestEntity {
  @PrimaryColumn('text') tenant: string;
  @PrimaryColumn('text', { name: 'source_hash' }) sourceHash: string;
  @Column('timestamptz') at: Date;
}

/** Insert only: a trigger refuses the rest. */
@Entity({ schema, name: 'audit', synchronize: false })
export class AuditEntity {
  @PrimaryGeneratedColumn('identity', { type: 'bigint' }) id: string;
  @Column('timestamptz') at: Date;
  @Column('text') tenant: string;
  @Column('text') sub: string;
  @Column('text', { nullable: true }) actor: string | null;
  @Column('text') action: string;
  @Column('uuid', { nullable: true }) job: string | null;
  @Column('text', { nullable: true }) mailbox: string | null;
  @Column('text', { nullable: true }) ip: string | null;
  @Column('jsonb', { nullable: true }) detail: Record<string, string> | null;
}

@Entity({ schema, name: 'job_log', synchronize: false })
export class JobLogEntity {
  @PrimaryGeneratedColumn('identity', { type: 'bigint' }) id: string;
  @Column('uuid') job: string;
  @Column('uuid', { nullable: true }) run: string | null;
  @Column('timestamptz') at: Date;
  @Column('text') level: 'info' | 'warn' | 'error';
  @Column('text') message: string;
  @Column('jsonb', { nullable: true }) detail: Record<string, unknown> | null;
}

@Entity({ schema, name: 'workers', synchronize: false })
export class WorkerEntity {
  @PrimaryColumn('uuid') id: string;
  @Column('text') host: string;
  @Column('int') pid: number;
  @Column('timestamptz', { name: 'started_at' }) startedAt: Date;
  @Column('timestamptz', { name: 'beat_at' }) beatAt: Date;
  @Column('int') jobs: number;
  @Column({ ...count, name: 'rss_bytes' }) rssBytes: number;
  @Column('boolean') draining: boolean;
  /** Somebody wants it to take no more. */
  @Column('boolean') drain: boolean;
}

export const JOB_ENTITIES = [
  JobEntity,
  RunEntity,
  ConnectionTestEntity,
  CredentialEntity,
  PassedTestEntity,
  AuditEntity,
  JobLogEntity,
  WorkerEntity,
];
