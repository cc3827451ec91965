import { isFinal } from '../../jobs/job-state.js';
import type { Counts, FolderProgress, JobAction, JobState, JobView, Reason, RunView } from '../../jobs/job.js';
import { ITEM_KINDS, type ItemKind } from '../../mailbox/kinds.js';

export interface Segment {
  readonly outcome: 'copied' | 'alreadyThere' | 'skipped' | 'failed';
  /** In thousandths of the bar. */
  readonly x: number;
  readonly width: number;
}
export interface ActionView {
  readonly action: JobAction;
  /** Key of its word under `actions`. */
  readonly label: string;
  readonly icon: string;
  readonly primary: boolean;
  /** True: asks first, on a page of its own. */
  readonly asks: boolean;
}
export type BarKind = 'accent' | 'success' | 'warning';
export interface FolderRow extends FolderProgress {
  readonly settled: number;
  readonly barKind: BarKind;
  /** The name differs at the destination. */
  readonly renamed: boolean;
}
export interface StateView {
  /** Key under `states` and `stateText`. */
  readonly key: JobState | 'incomplete';
}
export interface JobPageView {
  readonly job: JobView;
  readonly state: StateView;
  readonly settled: number;
  readonly barKind: BarKind;
  readonly actions: readonly ActionView[];
  readonly folders: readonly FolderRow[];
  /** What came to a place, by kind; empty while there is mail alone, whose numbers are the whole. */
  readonly kinds: readonly { readonly kind: ItemKind; readonly found: number; readonly arrived: number }[];
  /** Newest first. */
  readonly runs: readonly (Omit<RunView, 'reason'> & { readonly reason: Reason | null })[];
  readonly reason: (Omit<Reason, 'action'> & { readonly action: string | null }) | null;
  readonly reasonKind: 'info' | 'warning' | 'error';
  /** ISO 8601: when a waiting migration goes on. */
  readonly until: string | null;
  readonly excluded: readonly string[];
  readonly started: boolean;
  /** Being listed: there is no number yet. */
  readonly counting: boolean;
  /** Something may change without a person: the page listens, and refreshes itself without JavaScript. */
  readonly live: boolean;
  /** Goes on without a person: "you can leave this page". */
  readonly moving: boolean;
  readonly hasReport: boolean;
}

/** The sums of every kind that has a folder, in the usual order. */
export function kindTotals(folders: readonly FolderProgress[]): (Counts & { readonly kind: ItemKind })[] {
  const totals = new Map<ItemKind, Counts>();
  for (const folder of folders) {
    const sum = totals.get(folder.kind) ?? { found: 0, copied: 0, alreadyThere: 0, skipped: 0, failed: 0 };
    totals.set(folder.kind, {
      found: sum.found + folder.found,
      copied: sum.copied + folder.copied,
      alreadyThere: sum.alreadyThere + folder.alreadyThere,
      skipped: sum.skipped + folder.skipped,
      failed: sum.failed + folder.failed,
    });
  }
  return ITEM_KINDS.flatMap((kind) => {
    const counts = totals.get(kind);
    return counts === undefined ? [] : [{ kind, ...counts }];
  });
}

const MOVING: readonly JobState[] = ['queued', 'running', 'waiting'];
/** Reasons that are answered by typing a password again. */
const PASSWORD_REASONS = [
  'AUTH_FAILED',
  'AUTH_NEEDS_APP_PASSWORD',
  'CREDENTIALS_REQUIRED',
  'DESTINATION_AUTH_FAILED',
  'SECRET_UNREADABLE',
];
const ICONS: Readonly<Record<JobAction, string>> = {
  start: 'play',
  pause: 'pause',
  resume: 'play',
  cancel: 'stop',
  retry: 'refresh',
  sync: 'refresh',
};

export function stateView(job: Pick<JobView, 'state' | 'outcome'>): StateView {
  return { key: job.state === 'completed' && job.outcome === 'incomplete' ? 'incomplete' : job.state };
}

export function settledOf(counts: Counts): number {
  return counts.copied + counts.alreadyThere + counts.skipped + counts.failed;
}

export function barKind(job: Pick<JobView, 'state' | 'outcome'>): BarKind {
  if (job.state === 'completed') return job.outcome === 'incomplete' ? 'warning' : 'success';
  return job.state === 'failed' || job.state === 'needs-action' ? 'warning' : 'accent';
}

const BAR = 1000;
/** A part that exists is never thinner than one can see. */
const LEAST = 6;

/** The coloured parts of a bar. */
export function segmentsOf(counts: Counts): Segment[] {
  const total = Math.max(counts.found, settledOf(counts));
  const segments: Segment[] = [];
  let x = 0;
  for (const outcome of ['copied', 'alreadyThere', 'skipped', 'failed'] as const) {
    if (counts[outcome] === 0) continue;
    const width = Math.max(LEAST, Math.round((counts[outcome] * BAR) / total));
    segments.push({ outcome, x, width });
    x += width;
  }
  // What the thin ones were given comes off the widest one.
  const surplus = x - BAR;
  const widest = segments.reduce((best, segment, i) => (segment.width > (segments[best]?.width ?? 0) ? i : best), 0);
  return surplus <= 0
    ? segments
    : segments.map((segment, i) => ({
        ...segment,
        x: i > widest ? segment.x - surplus : segment.x,
        width: i === widest ? segment.width - surplus : segment.width,
      }));
}

/** @param asksPassword the password form's button is the one to press first */
export function actionViews(job: Pick<JobView, 'state' | 'actions' | 'outcome'>, asksPassword = false): ActionView[] {
  const shown = job.actions.filter((action) => action !== 'start' && isUseful(action, job));
  const primary = asksPassword ? null : shown.find((action) => action !== 'cancel' && action !== 'pause');
  return shown.map((action) => ({
    action,
    label: action === 'retry' && job.state === 'completed' ? 'retryFailed' : action,
    icon: ICONS[action],
    primary: action === primary,
    asks: action === 'cancel',
  }));
}

/** The state table allows more than helps: a complete migration has nothing to retry. */
function isUseful(action: JobAction, job: Pick<JobView, 'state' | 'outcome'>): boolean {
  return !(action === 'retry' && job.state === 'completed' && job.outcome === 'complete');
}

/** The action that follows a password typed again; null: none is asked for. */
export function afterPassword(job: Pick<JobView, 'state' | 'reason'>): JobAction | null {
  if (job.reason === undefined || !PASSWORD_REASONS.includes(job.reason.code)) return null;
  if (job.state === 'needs-action') return 'resume';
  return job.state === 'failed' ? 'retry' : null;
}

function byKind(folders: readonly FolderProgress[]): JobPageView['kinds'] {
  const totals = kindTotals(folders);
  return totals.every(({ kind }) => kind === 'mail')
    ? []
    : totals.map((sum) => ({ kind: sum.kind, found: sum.found, arrived: sum.copied + sum.alreadyThere }));
}

export function jobPage(job: JobView): JobPageView {
  const started = job.startedAt !== null;
  return {
    job,
    state: stateView(job),
    settled: settledOf(job.progress),
    barKind: barKind(job),
    actions: actionViews(job, afterPassword(job) !== null),
    folders: job.folders.map((folder) => ({
      ...folder,
      settled: settledOf(folder),
      barKind: folder.failed > 0 ? 'warning' : 'accent',
      renamed: folder.destination !== null && folder.destination !== folder.path,
    })),
    kinds: byKind(job.folders),
    runs: [...job.runs].reverse().map((run) => ({ ...run, reason: run.reason ?? null })),
    reason: job.reason ? { ...job.reason, action: job.reason.action ?? null } : null,
    reasonKind: job.state === 'failed' ? 'error' : job.state === 'needs-action' ? 'warning' : 'info',
    until: job.state === 'waiting' ? (job.until ?? null) : null,
    excluded: (job.filters.excludeFolders ?? []).map((path) => path.join('/')),
    started,
    counting: job.state === 'running' && job.progress.found === 0,
    live: !isFinal(job.state) && job.state !== 'draft',
    moving: MOVING.includes(job.state),
    hasReport: started,
  };
}
