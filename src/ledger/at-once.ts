import { markColumns } from './claim-ids.js';
import { addingCounts, addingRemarks, countsColumns, remarkColumns } from './counts.js';
import { itemColumns } from './intents.js';
import type { IntentId, LinkId } from './ledger.js';
import type { FreshIntent, Placed, UsualPart, WholeIntent } from './open-intents.js';
import { columnNames, columnValues, Parameters, type Query } from './queries.js';
import { placeColumns, sizeColumn } from './rows.js';
import { bindingColumns, notesOf } from './settle.js';
import { CountsDeltas, stateOf } from './settlement.js';

export interface AtOnceScope {
  readonly link: LinkId;
  readonly mailbox: string;
  /** Of the lease. */
  readonly epoch: number;
  readonly job: string;
  /** Open intents that are known to be this session's. */
  readonly own: readonly IntentId[];
}

/** Of each fresh intent its id, else null. 'lost': the lease is somebody else's. 'unusual': nothing was done. */
export type DoneAtOnce = readonly (IntentId | null)[] | 'lost' | 'unusual';

/**
 * Intents and settlings of the usual kind, under the lease, in one statement that is a transaction of its own. Where an
 * earlier engine left intents, or a refusal has to give way, it does nothing. An item that is bound already, and a
 * destination item that is claimed, are unique violations: nothing is done either.
 */
export async function doAtOnce(query: Query, scope: AtOnceScope, parts: readonly UsualPart[]): Promise<DoneAtOnce> {
  const given = new Parameters();
  const settled = settling(
    given,
    scope,
    parts.filter((part) => part.is === 'whole'),
  );
  const opened = opening(
    given,
    scope,
    parts.filter((part) => part.is === 'fresh'),
  );
  const [told] = await query<{ held: boolean; usual: boolean; ids: string[] }>(
    `WITH lease AS MATERIALIZED (
       SELECT 1 FROM mailferry.dest_mailboxes WHERE id = ${given.one(scope.mailbox, 'bigint')}
         AND epoch = ${given.one(scope.epoch, 'bigint')} AND lease_until IS NOT NULL FOR SHARE),
     places AS MATERIALIZED (${settled.places}),
     usual AS MATERIALIZED (
       SELECT 1 FROM lease WHERE ${[...settled.conditions, ...opened.conditions].join(' AND ')}),
     ${[...settled.steps, ...opened.steps].join(',\n')}
     SELECT EXISTS (SELECT 1 FROM lease) AS held, EXISTS (SELECT 1 FROM usual) AS usual, ${opened.ids} AS ids`,
    given.values,
  );
  if (!told!.held) return 'lost';
  if (!told!.usual) return 'unusual';
  const ids = told!.ids.values();
  return parts.map((part) => (part.is === 'fresh' ? (ids.next().value as IntentId) : null));
}

const NO_PLACES = 'SELECT NULL::bigint AS id, NULL::bigint AS dest_folder WHERE false';

/** `usual` and `places` are named in the steps. */
function settling(given: Parameters, { link, mailbox, job }: AtOnceScope, whole: readonly WholeIntent[]) {
  if (whole.length === 0) return { places: NO_PLACES, conditions: [], steps: [] };
  const outcomes = whole.flatMap((part) => part.outcomes);
  const ofJob = given.one(job, 'uuid');
  const folders = given.one([...new Set(outcomes.map(({ folder }) => folder))], 'bigint[]');
  const bindings = bindingColumns(outcomes.map((outcome) => ({ outcome, id: outcome.id, state: stateOf(outcome) })));
  const marks = markColumns(outcomes.map(({ folder, id }) => ({ destination: folder, id })));
  const [of, keys] = placeColumns(outcomes);
  const refused = given.rows([
    { name: 'folder', type: 'bigint', values: of },
    { name: 'key', type: 'bytea', values: keys },
  ]);
  const steps = [
    `bound AS (INSERT INTO mailferry.bindings (dest_mailbox, job, dest_folder, ${columnNames(bindings)})
       SELECT ${given.one(mailbox, 'bigint')}, ${ofJob}, p.dest_folder, ${columnValues(bindings)}
       FROM ${given.rows(bindings)} JOIN places p ON p.id = k.folder CROSS JOIN usual)`,
    `ended AS (DELETE FROM mailferry.intents o USING usual
       WHERE o.id = ANY(${given.one(
         whole.map((part) => part.intent),
         'bigint[]',
       )}))`,
    `raised AS (UPDATE mailferry.dest_folders d SET mark = m.next
       FROM (SELECT p.dest_folder, k.epoch, max(k.next) AS next FROM ${given.rows(marks)}
         JOIN places p ON p.id = k.destination CROSS JOIN usual GROUP BY p.dest_folder, k.epoch) m
       WHERE d.id = m.dest_folder AND d.epoch = m.epoch AND d.mark < m.next)`,
    `counted AS (${addingCounts(ofJob, `${given.rows(countsColumns(deltasOf(outcomes)))} CROSS JOIN usual`)})`,
  ];
  const notes = outcomes.flatMap(notesOf);
  if (notes.length > 0)
    steps.push(`remarked AS (${addingRemarks(ofJob, `${given.rows(remarkColumns(notes))} CROSS JOIN usual`)})`);
  return {
    places: `SELECT f.id, f.dest_folder FROM mailferry.folders f
       WHERE f.id = ANY(${folders}) AND f.link = ${given.one(link, 'uuid')} AND f.dest_folder IS NOT NULL`,
    conditions: [
      `(SELECT count(*) FROM places) = cardinality(${folders})`,
      `NOT EXISTS (SELECT 1 FROM ${refused}
         JOIN mailferry.refusals r ON r.job = ${ofJob} AND r.folder = k.folder AND r.key = k.key)`,
    ],
    steps,
  };
}

function deltasOf(outcomes: readonly Placed[]): CountsDeltas {
  const deltas = new CountsDeltas();
  for (const { folder, is, size } of outcomes) deltas.add(folder, is, sizeColumn(size), 1);
  return deltas;
}

function opening(given: Parameters, { link, epoch, own }: AtOnceScope, fresh: readonly FreshIntent[]) {
  if (fresh.length === 0) return { conditions: [], steps: [], ids: 'ARRAY[]::text[]' };
  const ofLink = given.one(link, 'uuid');
  const intents = given.rows([
    { name: 'n', type: 'int', values: fresh.map((_, n) => n) },
    { name: 'dest_folder', type: 'bigint', values: fresh.map((intent) => intent.folder) },
    { name: 'epoch', type: 'text', values: fresh.map((intent) => intent.at.epoch) },
    { name: 'mark', type: 'numeric', values: fresh.map((intent) => intent.at.mark) },
  ]);
  const items = itemColumns(fresh.flatMap((intent) => intent.items));
  const ofIntents = { name: 'n', type: 'int', values: fresh.flatMap((intent, n) => intent.items.map(() => n)) };
  return {
    conditions: [
      `NOT EXISTS (SELECT 1 FROM mailferry.intents o
         WHERE o.link = ${ofLink} AND o.id <> ALL(${given.one(own, 'bigint[]')}))`,
    ],
    steps: [
      `made AS MATERIALIZED (SELECT k.*, nextval(pg_get_serial_sequence('mailferry.intents', 'id')) AS id
         FROM ${intents} CROSS JOIN usual)`,
      `opened AS (INSERT INTO mailferry.intents (id, dest_folder, link, lease_epoch, epoch, mark) OVERRIDING SYSTEM VALUE
         SELECT m.id, m.dest_folder, ${ofLink}, ${given.one(epoch, 'bigint')}, m.epoch, m.mark FROM made m)`,
      `filled AS (INSERT INTO mailferry.intent_items (intent, ${columnNames(items)})
         SELECT m.id, ${columnValues(items)} FROM ${given.rows([ofIntents, ...items])} JOIN made m ON m.n = k.n)`,
    ],
    ids: 'ARRAY(SELECT m.id::text FROM made m ORDER BY m.n)',
  };
}
