/** What must hold after every trial, counted by means of our own. */
import pg from 'pg';
import type { SeenFolder } from '../servers/mailbox-view.js';
import { looksOf } from './people.js';

/** Messages that other people touched: they may be there once more or once less than the copy alone would make them. */
export interface Touched {
  /** Came to the new mailbox and must have stayed; by folder. */
  readonly received: Map<string, string[]>;
  /** Were deleted or moved on one of the sides, as they look. */
  readonly loose: string[];
}

/** @returns what is wrong with the new mailbox; nothing if every message is there exactly once. */
export function compare(
  source: ReadonlyMap<string, SeenFolder>,
  destination: ReadonlyMap<string, SeenFolder>,
  { received, loose }: Touched,
): string[] {
  const wrong: string[] = [];
  const left = [...loose, ...loose];
  const excuse = (looks: string): boolean => {
    const at = left.indexOf(looks);
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  };
  for (const path of new Set([...source.keys(), ...destination.keys()])) {
    const wanted = [...(source.get(path)?.messages.map(looksOf) ?? []), ...(received.get(path) ?? [])];
    const there = destination.get(path)?.messages.map(looksOf) ?? [];
    const missing = without(wanted, there).filter((looks) => !excuse(looks));
    const extra = without(there, wanted).filter((looks) => !excuse(looks));
    if (missing.length > 0) wrong.push(`${path}: ${missing.length} of ${wanted.length} missing (${missing[0]})`);
    if (extra.length > 0) wrong.push(`${path}: ${extra.length} too many (${extra[0]})`);
  }
  return wrong;
}

function without(list: readonly string[], others: readonly string[]): string[] {
  const free = new Map<string, number>();
  for (const one of others) free.set(one, (free.get(one) ?? 0) + 1);
  return list.filter((one) => {
    const count = free.get(one) ?? 0;
    free.set(one, count - 1);
    return count <= 0;
  });
}

export interface Books {
  readonly found: number;
  readonly copied: number;
  readonly alreadyThere: number;
  readonly skipped: number;
  readonly failed: number;
  readonly openIntents: number;
  /** 'folder uid' of every message that some binding claims. */
  readonly claims: readonly string[];
  /** Bindings that name no message. */
  readonly unplaced: number;
}

/** The ledger as it lies in the database. */
export async function readBooks(databaseUrl: string, job: string, mailbox: string): Promise<Books> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const counts = await client.query(
      `SELECT found::int, copied::int, already_there::int AS "alreadyThere", skipped::int, failed::int
       FROM mailferry.jobs WHERE id = $1`,
      [job],
    );
    const intents = await client.query(
      `SELECT 1 FROM mailferry.intents i JOIN mailferry.dest_folders d ON d.id = i.dest_folder
       JOIN mailferry.dest_mailboxes m ON m.id = d.dest_mailbox WHERE m.address = $1`,
      [mailbox],
    );
    const claims = await client.query<{ path: string[]; uid: string | null }>(
      `SELECT d.path, b.uid::text FROM mailferry.bindings b JOIN mailferry.dest_folders d ON d.id = b.dest_folder
       JOIN mailferry.dest_mailboxes m ON m.id = b.dest_mailbox
       WHERE m.address = $1 AND b.state IN ('claimed', 'verified', 'existing')`,
      [mailbox],
    );
    const placed = claims.rows.filter(({ uid }) => uid !== null);
    return {
      ...(counts.rows[0] as Omit<Books, 'openIntents' | 'claims' | 'unplaced'>),
      openIntents: intents.rowCount ?? 0,
      claims: placed.map(({ path, uid }) => `${path.join('/')} ${uid}`),
      unplaced: claims.rows.length - placed.length,
    };
  } finally {
    await client.end();
  }
}

/** @returns where the ledger says something else than the two mailboxes show. */
export function audit(
  books: Books,
  source: ReadonlyMap<string, SeenFolder>,
  destination: ReadonlyMap<string, SeenFolder>,
  { loose }: Touched,
): string[] {
  const wrong: string[] = [];
  const { found, copied, alreadyThere, skipped, failed, openIntents, claims, unplaced } = books;
  if (found !== copied + alreadyThere + skipped + failed)
    wrong.push(`the counts do not add up: ${JSON.stringify({ ...books, claims: claims.length })}`);
  if (openIntents > 0) wrong.push(`${openIntents} open intents`);
  if (new Set(claims).size !== claims.length) wrong.push('two bindings claim one message');
  if (loose.length > 0) return wrong;
  const items = [...source.values()].reduce((sum, { messages }) => sum + messages.length, 0);
  if (found !== items || failed !== 0) wrong.push(`${items} messages and ${found} found, ${failed} failed`);
  if (claims.length !== items || unplaced > 0)
    wrong.push(`${items} messages and ${claims.length} claims, ${unplaced} without a place`);
  const there = new Set(
    [...destination.values()].flatMap(({ path, messages }) => messages.map(({ uid }) => `${path} ${uid}`)),
  );
  const nowhere = claims.filter((claim) => !there.has(claim));
  if (nowhere.length > 0) wrong.push(`${nowhere.length} claims of messages that are not there (${nowhere[0]})`);
  return wrong;
}
