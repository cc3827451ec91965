/** How long sealed secrets are kept (DESIGN section 6). */
export const HOUR_MS = 60 * 60 * 1000;
/** A draft that nobody goes on with. */
export const DRAFT_MS = 24 * HOUR_MS;
/** A connection test, its result included. */
export const TEST_MS = 10 * 60 * 1000;
/** Whatever happens, no secret is older than this since somebody last started or resumed its migration. */
export const HARD_LIMIT_MS = 30 * 24 * HOUR_MS;

export function inMs(ms: number): Date {
  return new Date(Date.now() + ms);
}

/** After a run: until when they are kept at most; 'erase': no longer; 'as-is': until when was said before. */
export function keepAfter(
  end: { state: string; outcome: string | null; keepForSync: boolean; batch: string | null },
  keepSecretsHours: number,
): Date | 'erase' | 'as-is' {
  if (end.state === 'cancelled') return 'erase';
  // A batch comes back to what failed in its next pass, too; its end is theirs.
  if (end.keepForSync && (end.state === 'completed' || end.batch !== null)) return 'as-is';
  if (end.state === 'completed' && end.outcome === 'complete') return 'erase';
  if (end.state === 'completed' || end.state === 'failed') return inMs(keepSecretsHours * HOUR_MS);
  return 'as-is';
}
