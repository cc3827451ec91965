import { Get, Inject, Post, Req, Res } from '@nestjs/common';
import type { Actor, JobsApi, Visibility } from '../../jobs/contract.js';
import type { JobAction } from '../../jobs/job.js';
import { Access, Acting, Sees } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { flashOf } from '../status/flash.js';
import { jobRow } from '../status/job-row.js';
import { pageNumber, paging, withQuery } from '../status/paging.js';
import { JOBS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { WebError } from '../web-error.js';
import { isFiltered, readFilter, stateChoices, toQuery } from './job-filter.js';

const PER_PAGE = 50;
const BULK: readonly JobAction[] = ['retry', 'resume', 'pause', 'cancel'];

/** All migrations, for support: find one, open it, act on several at once. */
@WebController('admin')
export class AdminController {
  constructor(
    @Inject(JOBS_API) private readonly jobs: JobsApi,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get()
  @Access('page.admin')
  async list(@Req() req: Request, @Res() res: Response, @Sees() sees: Visibility): Promise<void> {
    const filter = readFilter(req.query);
    const page = pageNumber(req.query['page']);
    const { jobs, total } = await this.jobs.list(sees, { ...toQuery(filter), page, perPage: PER_PAGE });
    const t = (key: string): string => this.renderer.t(req, key);
    const html = await this.renderer.page(req, res, 'admin/list', {
      title: t('admin.title'),
      section: 'admin',
      jobs: jobs.map(jobRow),
      filter,
      filtered: isFiltered(filter),
      states: stateChoices(filter, t),
      paging: paging(this.site.url('/admin'), { ...filter }, page, PER_PAGE, total),
      back: withQuery('', { ...filter, page: page === 1 ? '' : String(page) }),
      bulkActions: BULK.map((value) => ({
        value,
        label: t(`admin.bulkActions.${value}`),
        kind: value === 'cancel' ? 'danger' : 'secondary',
      })),
      said: this.said(req),
      problem: flashOf(req.query, (key) => (this.renderer.words.has(key) ? t(key) : null)).problem,
    });
    res.send(html);
  }

  @Post('bulk')
  @Access('page.admin.act')
  async bulk(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const body = (req.body ?? {}) as Readonly<Record<string, unknown>>;
    const action = BULK.find((one) => one === body['action']);
    if (action === undefined) throw new WebError('VALIDATION', 'There is no such action.');
    const ids = [body['ids']]
      .flat()
      .filter((id): id is string => typeof id === 'string' && id !== '')
      .slice(0, PER_PAGE);
    const back = backOf(body['back']);
    const answer = (said: Readonly<Record<string, string>>): void =>
      res.redirect(303, this.site.url(`/admin${joined(back, said)}`));
    if (ids.length === 0) return answer({ bulk: 'none' });
    if (action === 'cancel' && body['confirmed'] !== '1') return this.askCancel(req, res, actor, ids, back);
    const { done, refused } = await this.jobs.bulk(actor, action, { ids });
    answer({ bulk: 'done', n: String(done.length), refused: String(refused.length) });
  }

  private async askCancel(req: Request, res: Response, actor: Actor, ids: string[], back: string): Promise<void> {
    const found = await Promise.all(ids.map((id) => this.jobs.get(actor.visibility, id)));
    const jobs = found.filter((job) => job !== null);
    const html = await this.renderer.page(req, res, 'admin/cancel', {
      title: this.renderer.t(req, 'admin.title'),
      section: 'admin',
      ids: jobs.map(({ id }) => id),
      mailboxes: jobs.map(({ mailbox }) => mailbox),
      back,
      backHref: this.site.url(`/admin${back}`),
    });
    res.send(html);
  }

  /** What came of a bulk action, from the address. */
  private said(req: Request): { kind: string; message: string }[] {
    const { bulk, n, refused } = req.query;
    if (bulk === 'none') return [{ kind: 'warning', message: this.renderer.t(req, 'admin.bulkNone') }];
    if (bulk !== 'done') return [];
    const count = (value: unknown): number =>
      typeof value === 'string' && /^\d{1,4}$/.test(value) ? Number(value) : 0;
    return [
      { kind: 'success', key: 'admin.bulkDone', count: count(n) },
      { kind: 'warning', key: 'admin.bulkRefused', count: count(refused) },
    ]
      .filter((said) => said.count > 0)
      .map(({ kind, key, count }) => ({ kind, message: this.renderer.t(req, key, { count }) }));
  }
}

/** The list's own filter, sent along by the form: a query of ours and nothing that leads elsewhere. */
function backOf(value: unknown): string {
  if (typeof value !== 'string' || !value.startsWith('?')) return '';
  const query = Object.fromEntries(new URLSearchParams(value.slice(0, 2000)));
  const page = pageNumber(query['page']);
  return withQuery('', { ...readFilter(query), page: page === 1 ? '' : String(page) });
}

function joined(back: string, said: Readonly<Record<string, string>>): string {
  return withQuery('', { ...Object.fromEntries(new URLSearchParams(back)), ...said });
}
