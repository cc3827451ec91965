import type { BatchAction, BatchView, RowFilter, RowView } from '../../batches/batch.js';
import { ROW_FILTERS } from '../../batches/batch.js';
import { nextBatchState } from '../../batches/batch-state.js';
import { barKind, settledOf, type BarKind } from '../status/job-page.js';

/** One mailbox of a batch in a table. */
export interface BatchRow {
  readonly row: number;
  readonly mailbox: string;
  readonly username: string;
  readonly job: string | null;
  /** Key under `states`, or `batch.rowStates`. */
  readonly label: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly reason: string | null;
  readonly hint: string | null;
  readonly code: string | null;
  readonly settled: number;
  readonly found: number;
  readonly failed: number;
  readonly barKind: BarKind;
  readonly test: RowView['test'];
  readonly invitation: RowView['invitation'];
  /** Something can be done about it. */
  readonly choosable: boolean;
  readonly ready: boolean;
}

export function batchRow(row: RowView): BatchRow {
  const { job, state, outcome, reason } = row;
  return {
    row: row.row,
    mailbox: row.mailbox,
    username: row.username,
    job: state === 'draft' ? null : job,
    ...labelOf(row),
    state: state ?? 'failed',
    outcome,
    reason: reason?.message ?? null,
    hint: reason?.action ?? null,
    code: reason?.code ?? null,
    settled: settledOf(row),
    found: row.found,
    failed: row.failed,
    barKind: barKind({ state: state ?? 'failed', outcome }),
    test: row.test,
    invitation: row.invitation,
    choosable: job !== null,
    ready: row.ready,
  };
}

function labelOf({ job, erased, state, outcome, wanted, ready, reason }: RowView): { label: string } {
  if (erased) return { label: 'batch.rowStates.erased' };
  if (job === null || state === null) return { label: 'batch.rowStates.refused' };
  if (state === 'draft') {
    if (!ready) return { label: 'batch.rowStates.noPassword' };
    if (reason !== null) return { label: 'batch.rowStates.stuck' };
    return { label: wanted ? 'batch.rowStates.wanted' : 'states.draft' };
  }
  return { label: `states.${state === 'completed' && outcome === 'incomplete' ? 'incomplete' : state}` };
}

export interface Tile {
  readonly key: string;
  readonly value: number;
  readonly show: RowFilter;
  readonly kind: 'success' | 'warning' | 'error' | null;
}

/** The numbers of a batch, each the way to the rows it counts. */
export function tiles({ state, counts, auth }: BatchView): Tile[] {
  const { states } = counts;
  const waiting = states.draft + states.waiting + states.paused;
  const draft: Tile[] = [
    { key: 'accepted', value: counts.accepted, show: 'all', kind: null },
    { key: 'refused', value: counts.refused, show: 'refused', kind: 'error' },
  ];
  const tests: Tile[] =
    counts.tested === 0
      ? []
      : [
          { key: 'testsPassed', value: counts.testsPassed, show: 'all', kind: 'success' },
          { key: 'testsFailed', value: counts.tested - counts.testsPassed, show: 'test-failed', kind: 'error' },
          { key: 'tooBig', value: counts.tooBig, show: 'too-big', kind: 'warning' },
        ];
  const passwords: Tile[] =
    auth.kind === 'ask-user'
      ? [{ key: 'noPassword', value: counts.accepted - counts.ready, show: 'not-ready', kind: 'warning' }]
      : [];
  if (state === 'draft') return [...draft, ...passwords, ...tests];
  return [
    { key: 'active', value: states.queued + states.running + states.cancelling, show: 'active', kind: null },
    { key: 'waiting', value: waiting, show: 'waiting', kind: null },
    { key: 'completed', value: states.completed - counts.incomplete, show: 'completed', kind: 'success' },
    {
      key: 'attention',
      value: states.failed + states['needs-action'] + counts.incomplete + counts.stuck,
      show: 'attention',
      kind: 'error',
    },
    { key: 'refused', value: counts.refused, show: 'refused', kind: 'warning' },
    ...(counts.erased === 0 ? [] : [{ key: 'erased', value: counts.erased, show: 'all', kind: null } as const]),
    ...passwords,
  ];
}

/** Migrations that are over, of those that were taken. */
export function endedOf({ counts }: BatchView): number {
  const { completed, failed, cancelled } = counts.states;
  return completed + failed + cancelled + counts.erased;
}

const ICONS: Readonly<Record<BatchAction, string>> = {
  test: 'check',
  start: 'play',
  pause: 'pause',
  resume: 'play',
  cancel: 'stop',
  retry: 'refresh',
  sync: 'refresh',
  finish: 'check',
};

/** Buttons beside the title. Passes, the end and the start have a place of their own, where they are explained. */
export function headActions({ actions, state }: BatchView) {
  const order: readonly BatchAction[] = ['resume', 'retry', 'pause', 'test', 'cancel'];
  return order
    .filter((action) => actions.includes(action) && !(state === 'draft' && (action === 'cancel' || action === 'pause')))
    .filter((action) => action !== 'test' || state === 'draft')
    .map((action) => ({ action, icon: ICONS[action], primary: action === 'resume', asks: action === 'cancel' }));
}

/** What can be done with chosen rows. */
export function rowActions({ state }: BatchView): BatchAction[] {
  const order: readonly BatchAction[] =
    state === 'draft' ? ['test', 'start', 'cancel'] : ['start', 'pause', 'resume', 'retry', 'sync', 'cancel'];
  // One row of a batch that rests would rest, too.
  return order.filter(
    (action) => nextBatchState(state, action) !== null && !(state === 'paused' && action === 'resume'),
  );
}

/** From an address; what is none of ours shows all. */
export function rowFilterOf(value: unknown): RowFilter {
  return ROW_FILTERS.find((one) => one === value) ?? 'all';
}

/** Migrations that something is done with now. */
export function busyOf({ counts }: BatchView): number {
  const { queued, running, waiting, cancelling } = counts.states;
  return queued + running + waiting + cancelling;
}

/** Whether something may change without a person. */
export function isLive(batch: BatchView): boolean {
  return batch.testing || batch.state === 'active' || busyOf(batch) > 0;
}
