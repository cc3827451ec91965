import { ITEM_KINDS } from '../../../mailbox/kinds.js';
import { checkItems } from '../checks.js';
import { refusal, type StepContext, type StepPage } from '../step-page.js';
import {
  field,
  fields,
  folderLines,
  kindsOf,
  markDone,
  parseFolderLines,
  withSavedFilters,
  type FormBody,
  type WizardForm,
} from '../wizard-form.js';

export const itemsPage: StepPage = {
  id: 'items',
  fields: ['kinds', 'exclude', 'since', 'maxMegabytes'],

  async view({ form, provider }) {
    const gives = provider?.givesNow ?? [];
    const chosen = form.kinds ?? gives;
    return {
      kinds: ITEM_KINDS.map((kind) => ({
        kind,
        offered: gives.includes(kind),
        ticked: gives.includes(kind) && chosen.includes(kind),
        /** Why it is grey. */
        reason: provider?.gives[kind] ?? 'not-yet',
      })),
      excludeLines: folderLines(form.exclude),
      hasLabels: provider?.id === 'gmail',
      keywords: form.labels === 'keywords',
      today: new Date().toISOString().slice(0, 10),
    };
  },

  async submit(context, body) {
    const form = typed(context, body);
    const { errors, filters } = checkItems(form, new Date());
    if (Object.keys(errors).length > 0) return { again: form, problems: { errors, alert: null } };
    try {
      await context.jobs.patch(context.who, context.draft.job.id, {
        items: form.kinds ?? [],
        filters,
        options: { ...context.draft.job.options, labels: form.labels, deepVerify: form.deepVerify },
        form: withSavedFilters(markDone(form, 'items')),
      });
    } catch (error) {
      return { again: form, problems: refusal(error) };
    }
    return { go: 'connection' };
  },

  keep: typed,
};

function typed({ form, provider }: StepContext, body: FormBody): WizardForm {
  const gives = provider?.givesNow ?? [];
  return {
    ...form,
    kinds: kindsOf(fields(body, 'kinds')).filter((kind) => gives.includes(kind)),
    exclude: parseFolderLines(field(body, 'exclude'), form.exclude),
    labels: field(body, 'labels') === 'keywords' ? 'keywords' : 'primary',
    deepVerify: field(body, 'deepVerify') === 'yes',
    since: field(body, 'since'),
    maxMegabytes: field(body, 'maxMegabytes'),
  };
}
