import type { Provider } from '@nestjs/common';
import { BATCH_WORKER_PROVIDERS } from '../batches/batches.providers.js';
import { ConnectionTester } from './connection-tester.js';
import { DestinationAccess } from './destination-access.js';
import { ENDPOINT_PROVIDERS } from './endpoint-providers.js';
import { OutboxSender } from './notices/outbox-sender.js';
import { Pruner } from './pruner.js';
import { RecoveryFiles } from './recovery-files.js';
import { RunJob } from './run-job.js';
import { SameMailbox } from './same-mailbox.js';
import { SecretOpener } from './secret-opener.js';
import { SourceSlots } from './source-slots.js';
import { Sweeper } from './sweeper.js';
import { TestRecord } from './test-record.js';
import { WorkerService } from './worker.service.js';

/** The worker without what it dials and writes with: tests bring their own. */
export const WORKER_SERVICES: Provider[] = [
  SecretOpener,
  SourceSlots,
  DestinationAccess,
  SameMailbox,
  TestRecord,
  RecoveryFiles,
  RunJob,
  ConnectionTester,
  Sweeper,
  Pruner,
  OutboxSender,
  WorkerService,
  ...BATCH_WORKER_PROVIDERS,
];

/** For MigrationWorkerModule, beside JOBS_PROVIDERS. */
export const WORKER_PROVIDERS: Provider[] = [...WORKER_SERVICES, ...ENDPOINT_PROVIDERS];
