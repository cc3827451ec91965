import type { Provider } from '@nestjs/common';
import { LinkSender } from '../jobs/link-sender.js';
import { STEERING } from '../jobs/tokens.js';
import { BatchActions } from './batch-actions.js';
import { BatchChanges } from './batch-changes.js';
import { BatchInvites } from './batch-invites.js';
import { BatchReader } from './batch-reader.js';
import { BatchRunner } from './batch-runner.js';
import { BatchSteering } from './batch-steering.js';
import { BatchTester } from './batch-tester.js';
import { BatchesService } from './batches.service.js';
import { RowChecks } from './row-checks.js';
import { RowWriter } from './row-writer.js';

/** What both halves need, beside JOBS_PROVIDERS. */
const SHARED: Provider[] = [BatchActions, BatchReader, { provide: STEERING, useClass: BatchSteering }];

/** For the web half. */
export const BATCH_WEB_PROVIDERS: Provider[] = [
  ...SHARED,
  BatchChanges,
  BatchInvites,
  RowChecks,
  RowWriter,
  BatchesService,
];
/** For the worker. */
export const BATCH_WORKER_PROVIDERS: Provider[] = [...SHARED, BatchTester, LinkSender, BatchRunner];
