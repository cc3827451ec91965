import { isFinal } from '../../jobs/job-state.js';
import type { Counts, FolderProgress, JobAction, JobState, JobView } from '../../jobs/job.js';

/** Tabler's colour names; a state is never told by its colour alone. */
export type Tone = 'blue' | 'green' | 'orange' | 'red' | 'yellow' | 'secondary';

export interface Segment {
  readonly outcome: 'copied' | 'alreadyThere' | 'skipped' | 'failed';
  /** In thousandths of the bar. */
  readonly x: number;
  readonly width: number;
}
export interface ActionView {
  readonly action: JobAction;
  /** Key of its word in the locale file. */
  readonly label: string;
  readonly primary: boolean;
  readonly danger: boolean;
  /** True: asks first, on a page of its own. */
  readonly asks: boolean;
}
export interface FolderRow extends FolderProgress {
  readonly segments: readonly Segment[];
  /** The name differs at the destination. */
  readonly renamed: boolean;
}
export interface StateView {
  /** Key under `states` and `stateText`. */
  readonly key: JobState | 'incomplete';
  readonly tone: Tone;
  /** Moves by itself: shown with an animated dot. */
  readonly lively: boolean;
}
export interface JobPageView {
  readonly job: JobView;
  readonly state: StateView;
  readonly percent: number | null;
  readonly settled: number;
  readonly segments: readonly Segment[];
  readonly actions: readonly ActionView[];
  readonly folders: readonly FolderRow[];
  readonly runs: readonly JobView['runs'][number][];
  /** Something may change without a person: the page listens, and refreshes itself without JavaScript. */
  readonly live: boolean;
  /** Goes on without a person: "you can leave this page". */
  readonly moving: boolean;
  readonly asksForPassword: boolean;
  readonly hasReport: boolean;
}

const TONES: Readonly<Record<JobState | 'incomplete', Tone>> = {
  draft: 'secondary',
  queued: 'blue',
  running: 'blue',
  waiting: 'yellow',
  paused: 'secondary',
  'needs-action': 'orange',
  cancelling: 'secondary',
  completed: 'green',
  incomplete: 'orange',
  failed: 'red',
  cancelled: 'secondary',
};
const MOVING: readonly JobState[] = ['queued', 'running', 'waiting', 'cancelling'];
/** Reasons that are answered by typing a password again. */
const PASSWORD_REASONS = ['AUTH_FAILED', 'AUTH_NEEDS_APP_PASSWORD', 'CREDENTIALS_REQUIRED'];

export function stateView(job: Pick<JobView, 'state' | 'outcome'>): StateView {
  const key = job.state === 'completed' && job.outcome === 'incomplete' ? 'incomplete' : job.state;
  return { key, tone: TONES[key], lively: job.state === 'running' || job.state === 'cancelling' };
}

export function settledOf(counts: Counts): number {
  return counts.copied + counts.alreadyThere + counts.skipped + counts.failed;
}

/** Null while nothing has been listed: a bar at 0 % would be a lie about a mailbox nobody has counted. */
export function percentOf(job: Pick<JobView, 'state' | 'progress'>): number | null {
  const { found } = job.progress;
  if (found === 0) return job.state === 'completed' ? 100 : null;
  // 100 % only when it is: rounding up shortly before the end makes people think it hangs.
  return Math.min(100, Math.floor((settledOf(job.progress) * 100) / found));
}

const BAR = 1000;

/** The bar's coloured parts. A part that exists is never thinner than one can see. */
export function segmentsOf(counts: Counts): Segment[] {
  const total = Math.max(counts.found, settledOf(counts));
  if (total === 0) return [];
  const least = 4;
  const segments: Segment[] = [];
  let x = 0;
  for (const outcome of ['copied', 'alreadyThere', 'skipped', 'failed'] as const) {
    if (counts[outcome] === 0) continue;
    const width = Math.min(Math.max(least, Math.round((counts[outcome] * BAR) / total)), BAR - x);
    segments.push({ outcome, x, width });
    x += width;
  }
  return segments;
}

export function actionViews(job: Pick<JobView, 'state' | 'actions' | 'outcome'>): ActionView[] {
  const shown = job.actions.filter((action) => action !== 'start' && isUseful(action, job));
  const primary = shown.find((action) => action !== 'cancel' && action !== 'pause');
  return shown.map((action) => ({
    action,
    label: action === 'retry' && job.state === 'completed' ? 'retryFailed' : action,
    primary: action === primary,
    danger: action === 'cancel',
    asks: action === 'cancel',
  }));
}

/** The state table allows more than helps: a complete migration has nothing to retry. */
function isUseful(action: JobAction, job: Pick<JobView, 'state' | 'outcome'>): boolean {
  return !(action === 'retry' && job.state === 'completed' && job.outcome === 'complete');
}

export function asksForPassword(job: Pick<JobView, 'state' | 'reason'>): boolean {
  return (
    (job.state === 'needs-action' || job.state === 'failed') &&
    job.reason !== undefined &&
    PASSWORD_REASONS.includes(job.reason.code)
  );
}

export function jobPage(job: JobView): JobPageView {
  return {
    job,
    state: stateView(job),
    percent: percentOf(job),
    settled: settledOf(job.progress),
    segments: segmentsOf(job.progress),
    actions: actionViews(job),
    folders: job.folders.map((folder) => ({
      ...folder,
      segments: segmentsOf(folder),
      renamed: folder.destination !== null && folder.destination !== folder.path,
    })),
    runs: [...job.runs].reverse(),
    live: !isFinal(job.state) && job.state !== 'draft',
    moving: MOVING.includes(job.state),
    asksForPassword: asksForPassword(job),
    hasReport: job.state !== 'draft' && job.startedAt !== null,
  };
}
