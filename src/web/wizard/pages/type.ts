import { isOfFiles, NO_FILES } from '../../../jobs/settings.js';
import { fieldProblem, type StepContext, type StepPage } from '../step-page.js';
import { findProvider, type ProviderView, providerViews } from '../provider-view.js';
import { markDone, type WizardForm } from '../wizard-form.js';
import { field } from '../../form-body.js';

export const typePage: StepPage = {
  id: 'type',
  fields: ['provider'],

  async view({ form, say, options }) {
    return {
      providers: providerViews(say)
        .filter((provider) => isTaken(provider, options))
        .map((provider) => ({ ...provider, chosen: provider.id === form.provider })),
    };
  },

  async submit({ jobs, who, draft, form, say }, body) {
    const provider = findProvider(field(body, 'provider'), say);
    if (!provider) return { again: form, problems: fieldProblem('provider', 'type.errorMissing') };
    // Chosen all the same: the page that says why not, and what to do instead.
    if (!provider.available) return { go: 'type', about: provider.id };
    const chosen = provider.id === form.provider ? form : withoutConnection({ ...form, provider: provider.id });
    await jobs.patch(who, draft.job.id, {
      form: markDone(chosen, 'type'),
      ...(provider.speaks === 'files' && !isOfFiles(draft.job.source) && { source: NO_FILES }),
    });
    return { go: 'existing' };
  },
};

/** What has no mail is of no use where the new server takes nothing else. */
function isTaken(provider: ProviderView, { destinationTakes }: StepContext['options']): boolean {
  return !provider.available || provider.givesNow.some((kind) => destinationTakes.includes(kind));
}

/** Another provider: its own server, and kinds that it can give. */
function withoutConnection(form: WizardForm): WizardForm {
  return {
    ...form,
    connection: null,
    certificate: null,
    kinds: null,
    done: form.done.filter((step) => step !== 'connection' && step !== 'items'),
  };
}
