import type { Draft } from '../../jobs/contract.js';

/** The six steps in their order; each is a page at {base}/new/:id/<step>. */
export const STEPS = ['type', 'existing', 'items', 'connection', 'test', 'review'] as const;
export type Step = (typeof STEPS)[number];

/** What of the remembered form decides about the way. */
interface Gone {
  readonly provider: string;
  readonly done: readonly Step[];
}

/** For views/partials/ui/steps. */
export interface StepView {
  readonly id: Step;
  readonly state: 'done' | 'current' | 'todo';
  /** Null: not reachable yet. */
  readonly href: string | null;
}

/** The first step that must be finished before `step` may be opened; null when it may. */
export function blockedBy(step: Step, draft: Draft, form: Gone): Step | null {
  const at = STEPS.indexOf(step);
  if (at > STEPS.indexOf('type') && !form.provider) return 'type';
  if (at > STEPS.indexOf('connection') && !isConnectable(draft, form)) return 'connection';
  if (at > STEPS.indexOf('test') && draft.passedAt === null) return 'test';
  return null;
}

/** Whether there is a server, a user name and a sealed password to test with, or a file. */
function isConnectable(draft: Draft, form: Gone): boolean {
  const { source } = draft.job;
  const isChosen = form.provider === 'files' ? (source.files ?? []).length > 0 : source.host !== '';
  return draft.hasSecret && form.done.includes('connection') && isChosen;
}

export function nextStep(step: Step): Step {
  return STEPS[Math.min(STEPS.indexOf(step) + 1, STEPS.length - 1)]!;
}

/** Null before the first step. */
export function previousStep(step: Step): Step | null {
  return STEPS[STEPS.indexOf(step) - 1] ?? null;
}

/** @param path of the draft, e.g. `/new/7` */
export function stepViews(current: Step, path: string, draft: Draft, form: Gone): StepView[] {
  return STEPS.map((id) => {
    const done = id === 'test' ? draft.passedAt !== null : form.done.includes(id);
    return {
      id,
      state: id === current ? 'current' : done ? 'done' : 'todo',
      href: id !== current && blockedBy(id, draft, form) === null ? `${path}/${id}` : null,
    };
  });
}
