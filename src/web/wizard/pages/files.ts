import { JobError } from '../../../jobs/contract.js';
import { isPassword } from '../checks.js';
import { runTest } from '../run-test.js';
import { NO_PROBLEMS, refusal, type Problems, type StepContext, type Submission } from '../step-page.js';
import { markDone, type WizardForm } from '../wizard-form.js';
import { field, secretField, type FormBody } from '../../form-body.js';
import { takeFiles, type RefusedFile } from '../../take-files.js';
import type { UploadForm } from '../../upload-form.js';

/**
 * Step four where the source is files: what was chosen is kept whatever button was pressed, then what the button says.
 * @param body what stands before the files; the rest of it is there when they have been read
 * @param upload null: a form without files
 */
export async function submitFiles(
  context: StepContext,
  body: FormBody,
  upload: UploadForm | null,
): Promise<Submission> {
  const { jobs, uploads, who, draft, provider } = context;
  const { id } = draft.job;
  if (provider?.speaks !== 'files') return { go: 'connection' };
  let refused: readonly RefusedFile[] = [];
  try {
    if (upload !== null) ({ refused } = await takeFiles(uploads, who, id, upload));
    const gone = field(body, 'remove');
    if (gone !== '') await remove(context, gone);
    if (refused.length > 0) return again(context.form, { ...NO_PROBLEMS, refused });
    if (field(body, 'do') === 'back') return { go: 'items' };
    if (field(body, 'do') !== 'test') return { go: 'connection' };
    return await test({ ...context, draft: (await jobs.draft(who, id)) ?? draft }, body);
  } catch (error) {
    return again(context.form, refusal(error));
  }
}

async function remove({ uploads, who, draft }: StepContext, file: string): Promise<void> {
  try {
    await uploads.remove(who, draft.job.id, file);
  } catch (error) {
    // Pressed twice.
    if (!(error instanceof JobError) || error.code !== 'NOT_FOUND') throw error;
  }
}

async function test(context: StepContext, body: FormBody): Promise<Submission> {
  const { jobs, who, draft, options } = context;
  const { form } = context;
  const files = draft.job.source.files ?? [];
  const password = secretField(body, 'destinationPassword');
  const errors: Record<string, { key: string }> = {};
  if (files.length === 0) errors['files'] = { key: 'files.missing' };
  if (options.destinationNeedsSecret) {
    if (password === '' && !draft.hasDestinationSecret)
      errors['destinationPassword'] = { key: 'connection.errors.destinationPasswordMissing' };
    else if (!isPassword(password)) errors['destinationPassword'] = { key: 'connection.errors.passwordInvalid' };
  }
  if (Object.keys(errors).length > 0) return again(form, { errors, alert: null });
  const next = markDone(form, 'connection');
  await jobs.patch(who, draft.job.id, {
    form: next,
    ...(password !== '' && { destination: { password } }),
  });
  await runTest(context, next);
  return { go: 'test' };
}

function again(form: WizardForm, problems: Problems): Submission {
  return { again: form, problems };
}
