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

/** After a run: null = erase now, else until when they are kept. */
export function keepAfter(
  end: { state: string; outcome: string | null; keepForSync: boolean },
  keepSecretsHours: number,
): Date | null {
  if (end.state === 'cancelled') return null;
  if (end.state === 'completed' && end.keepForSync) return inMs(HARD_LIMIT_MS);
  if (end.state === 'completed' && end.outcome === 'complete') return null;
  if (end.state === 'completed' || end.state === 'failed') return inMs(keepSecretsHours * HOUR_MS);
  return inMs(HARD_LIMIT_MS);
}
