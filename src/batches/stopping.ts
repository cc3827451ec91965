import type { BatchAuth } from './batch.js';

/** What is known of a batch's sign-ins since its pass began, or somebody last wanted it to go on or be tested. */
export interface SignIns {
  readonly worked: number;
  /** By a wrong user name or password. */
  readonly refused: number;
  /** Refused since one last worked. */
  readonly inARow: number;
  /** The server wants to see nobody for a while. */
  readonly lockedOut: number;
}

/** Answers after which going on makes it worse: the server, or we, have had too many wrong tries. */
export const LOCK_OUT_CODES: readonly string[] = ['RATE_LIMITED', 'THROTTLED', 'PROVIDER_LIMIT', 'VOLUME_EXHAUSTED'];
export const REFUSED_CODES: readonly string[] = [
  'AUTH_FAILED',
  'AUTH_NEEDS_APP_PASSWORD',
  'AUTH_NEEDS_OAUTH',
  'IMAP_DISABLED',
];

/** Refused without one that worked: it is the administrator's sign-in, or the rule for the names, not the person. */
const ALL_WRONG = { admin: 3, 'per-row': 5, 'ask-user': 5 } as const;
/** The administrator's one password opens all: refused so often in a row, it has been changed (servers ban after five). */
const ADMIN_IN_A_ROW = 5;
/** Most of them refused: servers lock the address that such tries come from. */
const MOSTLY_WRONG = 20;

/** The code to stop with; null: go on. */
export function whyStop(
  { worked, refused, inARow, lockedOut }: SignIns,
  { kind }: BatchAuth,
): 'SIGN_INS_REFUSED' | 'SERVER_LOCKS_OUT' | null {
  if (lockedOut > 0) return 'SERVER_LOCKS_OUT';
  const hopeless = worked === 0 ? refused >= ALL_WRONG[kind] : refused >= MOSTLY_WRONG && refused > worked;
  const changed = kind === 'admin' && inARow >= ADMIN_IN_A_ROW;
  return hopeless || changed ? 'SIGN_INS_REFUSED' : null;
}

/** How many may be tried at once while it is not known that it works at all. */
export function carefully({ worked }: SignIns, { kind }: BatchAuth, wanted: number): number {
  return worked > 0 ? wanted : Math.min(wanted, ALL_WRONG[kind]);
}
