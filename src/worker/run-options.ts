import type { JobEntity } from '../jobs/entities.js';
import type { TransferOptions } from '../transfer/contract.js';
import type { Reading } from './endpoints.js';

/** A job's wishes as the engine takes them. */
export function transferOptions(job: JobEntity): TransferOptions {
  const { filters, options } = job;
  const day = (job.startedAt ?? new Date()).toISOString().slice(0, 10);
  return {
    kinds: job.items,
    existing: job.existing,
    excludeFolders: filters.excludeFolders ?? [],
    includeFolders: filters.includeFolders ?? [],
    since: filters.since === undefined ? null : new Date(filters.since),
    maxItemBytes: filters.maxItemBytes ?? null,
    repair: options.repair ?? true,
    deepVerify: options.deepVerify ?? false,
    recoveryFolder: [`Before migration ${day}`],
  };
}

/** A job's wishes as its source takes them. */
export function readingOf({ items, filters: { excludeFolders }, options: { labels } }: JobEntity): Reading {
  return {
    kinds: items,
    ...(excludeFolders === undefined ? {} : { excludeFolders }),
    ...(labels === undefined ? {} : { labels }),
  };
}
