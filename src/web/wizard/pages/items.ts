import type { TestView } from '../../../jobs/job.js';
import { ITEM_KINDS, type ItemKind } from '../../../mailbox/kinds.js';
import { checkItems } from '../checks.js';
import { refusal, type StepContext, type StepPage } from '../step-page.js';
import { folderLines, kindsOf, markDone, parseFolderLines, withSavedFilters, type WizardForm } from '../wizard-form.js';
import { field, fields, type FormBody } from '../../form-body.js';

export const itemsPage: StepPage = {
  id: 'items',
  fields: ['kinds', 'exclude', 'since', 'maxMegabytes'],

  async view(context) {
    const { form, provider, draft } = context;
    const offered = offeredBy(context);
    const chosen = form.kinds ?? (provider?.knowsDav ? offered : offered.filter((kind) => kind === 'mail'));
    const counts = countsOf(draft.test);
    return {
      kinds: ITEM_KINDS.map((kind) => ({
        kind,
        offered: offered.includes(kind),
        ticked: offered.includes(kind) && chosen.includes(kind),
        /** Why it is grey. */
        reason: provider?.givesNow.includes(kind) ? 'not-taken' : (provider?.gives[kind] ?? 'not-yet'),
        /** As the last test counted them; null: not counted. */
        count: counts.get(kind) ?? null,
      })),
      excludeLines: folderLines(form.exclude),
      isFiles: provider?.speaks === 'files',
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

/** What the provider gives and the new mailbox takes. */
function offeredBy({ provider, options }: StepContext): ItemKind[] {
  return (provider?.givesNow ?? []).filter((kind) => options.destinationTakes.includes(kind));
}

function countsOf(test: TestView | null): ReadonlyMap<ItemKind, number> {
  const counts = new Map<ItemKind, number>();
  if (test?.ok !== true) return counts;
  for (const { kind, items } of test.folders) counts.set(kind, (counts.get(kind) ?? 0) + (items ?? 0));
  return counts;
}

function typed(context: StepContext, body: FormBody): WizardForm {
  const { form } = context;
  const offered = offeredBy(context);
  return {
    ...form,
    kinds: kindsOf(fields(body, 'kinds')).filter((kind) => offered.includes(kind)),
    exclude: parseFolderLines(field(body, 'exclude'), form.exclude),
    labels: field(body, 'labels') === 'keywords' ? 'keywords' : 'primary',
    deepVerify: field(body, 'deepVerify') === 'yes',
    since: field(body, 'since'),
    maxMegabytes: field(body, 'maxMegabytes'),
  };
}
