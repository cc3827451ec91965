import type { Actor, ConnectionTestsApi, Draft, JobsApi, UploadsApi } from '../../jobs/contract.js';
import { JobError } from '../../jobs/contract.js';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import type { ResolvedOptions } from '../../panel/options.js';
import type { FieldErrors } from './checks.js';
import type { ProviderView, Say } from './provider-view.js';
import type { Step } from './steps.js';
import type { WizardForm } from './wizard-form.js';
import type { FormBody } from '../form-body.js';

export interface WizardServices {
  readonly jobs: JobsApi;
  readonly tests: ConnectionTestsApi;
  readonly uploads: UploadsApi;
  readonly panel: HostPanel;
  readonly options: ResolvedOptions;
}

/** Everything a step knows about the draft it works on. */
export interface StepContext extends WizardServices {
  readonly who: Actor;
  readonly principal: Principal;
  readonly draft: Draft;
  readonly form: WizardForm;
  readonly say: Say;
  /** Null before one was chosen. */
  readonly provider: ProviderView | null;
}

/** Why a submitted form was not taken. */
export interface Problems {
  readonly errors: FieldErrors;
  /** Above the form: what is wrong with the whole of it. */
  readonly alert: { readonly code: string | null; readonly message: string } | null;
  /** Files that were not taken, each with its reason. */
  readonly refused?: readonly { readonly name: string; readonly message: string }[];
}

/** What comes of a submitted form: onward, or the same page again with what was typed. */
export type Submission =
  | { readonly go: Step | 'job'; readonly about?: string }
  | { readonly again: WizardForm; readonly problems: Problems; readonly status?: number };

/** One of the six steps. All have this shape; the controller knows nothing else of them. */
export interface StepPage {
  readonly id: Step;
  /** Fields that may have an error, so that the template can ask for each. */
  readonly fields: readonly string[];
  /** The template's own values, beside those every step gets. */
  view(context: StepContext): Promise<Readonly<Record<string, unknown>>>;
  submit(context: StepContext, body: FormBody): Promise<Submission>;
  /** Keeps what was typed when somebody goes back, complete or not. Absent: there is nothing to keep. */
  keep?(context: StepContext, body: FormBody): WizardForm;
}

export const NO_PROBLEMS: Problems = { errors: {}, alert: null };

export function fieldProblem(name: string, key: string, values?: Readonly<Record<string, string | number>>): Problems {
  return { errors: { [name]: { key, ...(values && { values }) } }, alert: null };
}

/** A refusal by the jobs room, shown above the form; anything else is a fault and goes on. */
export function refusal(error: unknown): Problems {
  if (!(error instanceof JobError)) throw error;
  return { errors: {}, alert: { code: error.code, message: error.message } };
}
