/** The command was called the wrong way: one sentence that says how it is right. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** DESIGN section 9. */
export const EXIT = { complete: 0, failed: 1, usage: 2, incomplete: 3, needsAction: 4, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
