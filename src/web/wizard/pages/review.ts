import { confirms } from '../checks.js';
import { fieldProblem, refusal, type StepPage } from '../step-page.js';
import { planView } from '../test-page.js';
import { mayReplace } from './existing.js';
import { field } from '../../form-body.js';

export const reviewPage: StepPage = {
  id: 'review',
  fields: ['confirm'],

  async view({ draft, form }) {
    const { job } = draft;
    const plan = draft.test?.ok ? planView(draft.test, form) : null;
    const outByItself = (plan?.rows ?? []).filter((row) => row.optional && !row.copied).map((row) => row.from);
    const { includeFolders: _asked, ...limits } = job.filters;
    return {
      plan,
      source: job.source,
      pinned: job.source.caFingerprint !== undefined,
      kinds: job.items,
      excluded: [...(job.filters.excludeFolders ?? []).map((path) => path.join('/')), ...outByItself],
      since: job.filters.since ?? null,
      maxItemBytes: job.filters.maxItemBytes ?? null,
      limited:
        outByItself.length > 0 || Object.values(limits).some((filter) => filter !== undefined && String(filter) !== ''),
      replace: job.existing === 'replace',
    };
  },

  async submit(context, body) {
    const { jobs, who, draft, form } = context;
    const { id, mailbox, existing } = draft.job;
    try {
      if (existing === 'replace') {
        if (!(await mayReplace(context)))
          return { again: form, problems: fieldProblem('confirm', 'existing.replaceForbidden'), status: 403 };
        if (!confirms(field(body, 'confirm'), mailbox))
          return { again: form, problems: fieldProblem('confirm', 'review.errorConfirm', { mailbox }) };
        await jobs.patch(who, id, { confirm: mailbox });
      }
      await jobs.act(who, id, 'start');
    } catch (error) {
      // Sent twice: the first one has started it, and that is what was wished for.
      if ((await jobs.get(who.visibility, id))?.state !== 'draft') return { go: 'job' };
      return { again: form, problems: refusal(error) };
    }
    return { go: 'job' };
  },
};
