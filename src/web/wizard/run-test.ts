import type { TestView } from '../../jobs/job.js';
import type { StepContext } from './step-page.js';
import type { WizardForm } from './wizard-form.js';

/** How long the answer to "test" waits before it shows the page that waits on its own (ms). */
const FIRST_LOOK_MS = 2_000;

/** Asks for a test of the draft as it is now, and remembers which one. @throws JobError */
export async function runTest({ jobs, tests, who, draft }: StepContext, form: WizardForm): Promise<void> {
  const run = await tests.request(who, { job: draft.job.id });
  await jobs.patch(who, draft.job.id, { form: { ...form, run } });
  await tests.wait(who, run, FIRST_LOOK_MS);
}

/** The test to show: one that is running, else what the draft knows about its settings. Null: none. */
export async function currentTest({ tests, who, draft, form }: StepContext): Promise<TestView | null> {
  const run = form.run === '' ? null : await tests.get(who, form.run);
  if (run !== null && run.state !== 'done') return run;
  // A test that could not even begin says nothing about the settings, so the draft does not know of it.
  return draft.test ?? (run !== null && !run.ok ? run : null);
}
