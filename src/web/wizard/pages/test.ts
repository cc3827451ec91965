import { checkItems } from '../checks.js';
import { currentTest, runTest } from '../run-test.js';
import { NO_PROBLEMS, refusal, type Problems, type StepContext, type StepPage } from '../step-page.js';
import { excludedBy, planView, testPage as testView } from '../test-page.js';
import { connectionOf } from './connection.js';
import { markDone, withSavedFilters, type WizardForm } from '../wizard-form.js';
import { field, fields, type FormBody } from '../../form-body.js';

export const testPage: StepPage = {
  id: 'test',
  fields: ['certificate', 'folders'],

  async view(context) {
    const { form, provider } = context;
    const test = testView(await currentTest(context), form, provider?.errors ?? {});
    return { test, running: test.state === 'running', isFiles: provider?.speaks === 'files' };
  },

  async submit(context, body) {
    const wish = field(body, 'do');
    if (wish === 'trust') return trust(context, body);
    if (wish === 'follow') return follow(context, body);
    if (wish === 'continue') return goOn(context, body);
    return run(context);
  },
};

async function run(context: StepContext, form: WizardForm = context.form) {
  try {
    await runTest(context, form);
  } catch (error) {
    return { again: form, problems: refusal(error) };
  }
  return { go: 'test' as const };
}

/** Pins the certificate that the last test was shown: that one and no other that a form might name. */
async function trust(context: StepContext, body: FormBody) {
  const { jobs, who, draft, form } = context;
  const test = await currentTest(context);
  const shown = test?.code === 'TLS_UNTRUSTED' ? test.certificate : undefined;
  if (!shown || field(body, 'fingerprint') !== shown.fingerprint) return { go: 'test' as const };
  if (field(body, 'compared') === '') return again(form, { certificate: { key: 'test.certificateError' } });
  const next: WizardForm = { ...form, certificate: { ...shown } };
  try {
    await jobs.patch(who, draft.job.id, {
      source: { ...draft.job.source, caFingerprint: shown.fingerprint },
      form: next,
    });
  } catch (error) {
    return { again: form, problems: refusal(error) };
  }
  return run(context, next);
}

/** Fills in the server that the old one named: that one and no other. The password has to be typed for it. */
async function follow(context: StepContext, body: FormBody) {
  const { jobs, who, draft, form } = context;
  const test = await currentTest(context);
  const shown = test?.code === 'EWS_REDIRECTED' ? test.redirect?.url : undefined;
  if (shown === undefined || field(body, 'url') !== shown) return { go: 'test' as const };
  try {
    await jobs.patch(who, draft.job.id, { form: pointedTo(new URL(shown), form) });
  } catch (error) {
    return { again: form, problems: refusal(error) };
  }
  return { go: 'connection' as const };
}

/** Another Autodiscover is asked for the address of the web service; everything else is that address. */
function pointedTo(url: URL, form: WizardForm): WizardForm {
  const connection = connectionOf(form, null);
  if (!/^\/autodiscover\//i.test(url.pathname))
    return { ...form, ewsUrl: url.href, connection: { ...connection, foundBy: 'redirect' } };
  const { hostname: host, port } = url;
  return { ...form, ewsUrl: '', connection: { ...connection, host, port, security: 'tls', foundBy: 'redirect' } };
}

/** On to the review, with the folders that were unticked left out. */
async function goOn(context: StepContext, body: FormBody) {
  const { jobs, who, draft, form } = context;
  // The way on is open only while the test is: the same question the next page asks.
  if (draft.passedAt === null || !draft.test?.ok) return { go: 'test' as const };
  const plan = planView(draft.test, form);
  const { exclude, include, conflicts } = plan.pickable
    ? excludedBy(plan, fields(body, 'folders'))
    : { exclude: form.exclude, include: form.include, conflicts: [] };
  if (plan.pickable && exclude.length > 0 && fields(body, 'folders').length === 0)
    return again(form, { folders: { key: 'test.noFolder' } });
  const next: WizardForm = markDone({ ...form, exclude, include }, 'test');
  const conflict = conflicts[0];
  if (conflict)
    return again(
      { ...form, exclude, include },
      { folders: { key: 'test.conflict', values: { folder: conflict.from } } },
    );
  const { errors, filters } = checkItems(next, new Date());
  if (Object.keys(errors).length > 0) return { go: 'items' as const };
  try {
    await jobs.patch(who, draft.job.id, { filters, form: withSavedFilters(next) });
  } catch (error) {
    return { again: form, problems: refusal(error) };
  }
  return { go: 'review' as const };
}

function again(form: WizardForm, errors: Problems['errors']) {
  return { again: form, problems: { ...NO_PROBLEMS, errors } };
}
