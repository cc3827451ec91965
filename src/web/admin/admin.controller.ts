import { Get, Inject, Post, Req, Res } from '@nestjs/common';
import type { Actor, BulkTarget, JobsApi, Visibility } from '../../jobs/contract.js';
import type { JobAction } from '../../jobs/job.js';
import { Access, Acting, Sees } from '../auth/access.decorator.js';
import { bodyOf, fields } from '../form-body.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { flashOf } from '../status/flash.js';
import { jobRow } from '../status/job-row.js';
import { pageNumber, withQuery } from '../status/paging.js';
import { JOBS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { WebError } from '../web-error.js';
import { ageChoices, isFiltered, readFilter, readSort, sortChoices, stateChoices, toQuery } from './job-filter.js';

const PER_PAGE = 50;
const BULK: readonly JobAction[] = ['retry', 'resume', 'pause', 'cancel'];
const MAX_CURSOR = 2_000;

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
    const sort = readSort(req.query);
    const place = placeOf(req.query);
    const found = await this.jobs.list(sees, {
      ...toQuery(filter),
      ...(sort !== '' && { sort }),
      ...place,
      page: pageNumber(req.query['page']),
      perPage: PER_PAGE,
    });
    const t = (key: string): string => this.renderer.t(req, key);
    const link = (to: Readonly<Record<string, string>>): string =>
      withQuery(this.site.url('/admin'), { ...filter, sort, ...to });
    const html = await this.renderer.page(req, res, 'admin/list', {
      title: t('admin.title'),
      section: 'admin',
      tab: 'jobs',
      jobs: found.jobs.map(jobRow),
      total: found.total,
      estimated: found.estimated,
      filter,
      filtered: isFiltered(filter),
      more: filter.mailbox !== '' || filter.batch !== '' || filter.error !== '',
      states: stateChoices(filter, t),
      ages: ageChoices(filter, t),
      sorts: sortChoices(sort, t),
      previous: found.previous === null ? null : link({ before: found.previous }),
      next: found.next === null ? null : link({ after: found.next }),
      back: withQuery('', { ...filter, sort, ...place }),
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

  /** Asks first, and says what would be touched and what not; with `confirmed` it is done. */
  @Post('bulk')
  @Access('page.admin.act')
  async bulk(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const body = bodyOf(req);
    const action = BULK.find((one) => one === body['action']);
    if (action === undefined) throw new WebError('VALIDATION', 'There is no such action.');
    const back = backOf(body['back']);
    const all = body['scope'] === 'all';
    const ids = fields(body, 'ids').slice(0, PER_PAGE);
    const answer = (said: Readonly<Record<string, string>>): void =>
      res.redirect(303, this.site.url(`/admin${joined(back, said)}`));
    if (!all && ids.length === 0) return answer({ bulk: 'none' });
    const target: BulkTarget = all ? { filter: toQuery(readFilter(parsed(back))) } : { ids };
    if (body['confirmed'] !== '1') return this.ask(req, res, actor, { action, target, ids: all ? [] : ids, back });
    const { done, refused } = await this.jobs.bulk(actor, action, target);
    answer({ bulk: 'done', n: String(done.length), refused: String(refused.length) });
  }

  private async ask(
    req: Request,
    res: Response,
    actor: Actor,
    { action, target, ids, back }: { action: JobAction; target: BulkTarget; ids: readonly string[]; back: string },
  ): Promise<void> {
    const preview = await this.jobs.preview(actor.visibility, action, target);
    const html = await this.renderer.page(req, res, 'admin/bulk', {
      title: this.renderer.t(req, `support.bulk.${action}.title`, { count: preview.touched }),
      section: 'admin',
      action,
      ...preview,
      others: Math.max(0, preview.touched - preview.sample.length),
      overLimit: preview.touched > preview.limit,
      ids,
      scope: 'filter' in target ? 'all' : 'ticked',
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

/** Where in the list a page begins. */
function placeOf(query: Readonly<Record<string, unknown>>): { after?: string; before?: string } {
  const read = (name: 'after' | 'before'): { after?: string; before?: string } => {
    const value = query[name];
    return typeof value === 'string' && value !== '' && value.length <= MAX_CURSOR ? { [name]: value } : {};
  };
  return { ...read('before'), ...read('after') };
}

/** The list's own filter, sent along by the form: a query of ours and nothing that leads elsewhere. */
function backOf(value: unknown): string {
  if (typeof value !== 'string' || !value.startsWith('?')) return '';
  const query = parsed(value.slice(0, MAX_CURSOR * 2));
  return withQuery('', { ...readFilter(query), sort: readSort(query), ...placeOf(query) });
}

function parsed(query: string): Readonly<Record<string, string>> {
  return Object.fromEntries(new URLSearchParams(query));
}

function joined(back: string, said: Readonly<Record<string, string>>): string {
  return withQuery('', { ...parsed(back), ...said });
}
