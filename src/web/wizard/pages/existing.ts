import { confirms } from '../checks.js';
import { fieldProblem, refusal, type StepContext, type StepPage } from '../step-page.js';
import { markDone, type WizardForm } from '../wizard-form.js';
import { field, type FormBody } from '../../form-body.js';

export const existingPage: StepPage = {
  id: 'existing',
  fields: ['existing', 'confirm'],

  async view(context) {
    return {
      mayReplace: await mayReplace(context),
      existingItems: context.draft.test?.ok ? (context.draft.test.plan?.existingItems ?? null) : null,
    };
  },

  async submit(context, body) {
    const { jobs, who, draft } = context;
    const form = typed(context.form, body);
    const choice = field(body, 'existing');
    if (choice !== 'keep' && choice !== 'replace')
      return { again: form, problems: fieldProblem('existing', 'existing.errorChoice') };
    if (choice === 'replace') {
      if (!(await mayReplace(context)))
        return { again: form, problems: fieldProblem('existing', 'existing.replaceForbidden'), status: 403 };
      if (!confirms(form.confirm, draft.job.mailbox))
        return {
          again: form,
          problems: fieldProblem('confirm', 'existing.errorConfirm', { mailbox: draft.job.mailbox }),
        };
    }
    try {
      await jobs.patch(who, draft.job.id, {
        existing: choice,
        ...(choice === 'replace' && { confirm: draft.job.mailbox }),
        form: markDone(form, 'existing'),
      });
    } catch (error) {
      return { again: form, problems: refusal(error) };
    }
    return { go: 'items' };
  },

  keep: ({ form }, body) => typed(form, body),
};

function typed(form: WizardForm, body: FormBody): WizardForm {
  return {
    ...form,
    existing: field(body, 'existing') === 'replace' ? 'replace' : 'keep',
    confirm: field(body, 'confirm'),
  };
}

/** The panel's word, asked each time. */
export function mayReplace({ panel, principal, draft }: StepContext): Promise<boolean> {
  return panel.can(principal, 'migration.replaceExisting', {
    tenantId: principal.tenantId,
    address: draft.job.mailbox,
  });
}
