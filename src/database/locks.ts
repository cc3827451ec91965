/** Postgres' advisory locks that are known by a number, each another one (one-at-a-time.ts, migrate.ts, next-job.ts). */
export const LOCKS = {
  migration: 5_712_240_117,
  sweep: 7_341_101,
  choice: 7_341_102,
  batches: 7_341_103,
} as const;
