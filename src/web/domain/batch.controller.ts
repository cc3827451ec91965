import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { BatchView, RowFilter } from '../../batches/batch.js';
import { BATCH_ACTIONS } from '../../batches/batch.js';
import type { ActOptions, BatchesApi } from '../../batches/contract.js';
import { atZone, isTimeZone } from '../../batches/hours.js';
import { type Actor, JobError, type Visibility } from '../../jobs/contract.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { csvLine } from '../../reports/csv.js';
import type { ReportsApi } from '../../reports/contract.js';
import { found } from '../api/answer.js';
import { Access, Acting, Sees } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { flashOf } from '../status/flash.js';
import { pageNumber, paging, withQuery } from '../status/paging.js';
import { BATCHES_API, REPORTS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { statusOf } from '../web-error.js';
import { field, fields, secretField } from '../wizard/wizard-form.js';
import { batchOf, batchPath, bodyOf, notFound } from './batch-access.js';
import { batchRow, endedOf, headActions, isLive, rowActions, rowFilterOf, tiles } from './batch-page.js';

const ROWS_PER_PAGE = 50;
/** Seconds after which a page that is watched is drawn anew. */
const REFRESH_SECONDS = 5;
const INVITATION_DAYS = 14;
const LOCAL_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/;

/** One batch: before it starts its preview, then the page to watch it on; and what can be done about it. */
@WebController('domains/:domain/batches')
export class BatchController {
  constructor(
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    @Inject(REPORTS_API) private readonly reports: ReportsApi,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get(':id')
  @Access('page.batch')
  async show(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Sees() sees: Visibility,
  ): Promise<void> {
    const batch = await this.find(sees, domain, id);
    if (batch.state === 'draft' && batch.counts.rows === 0)
      return res.redirect(303, this.site.url(`${batchPath(batch.domain, batch.id)}/mailboxes`));
    const show = rowFilterOf(req.query['show']);
    const q = typeof req.query['q'] === 'string' ? req.query['q'].trim().slice(0, 200) : '';
    const page = pageNumber(req.query['page']);
    const [rows, worst] = await Promise.all([
      this.batches.rows(sees, batch.id, { show, q, page, perPage: ROWS_PER_PAGE }),
      this.batches.worst(sees, batch.id),
    ]);
    const base = batchPath(batch.domain, batch.id);
    const t = (key: string): string => this.renderer.t(req, key);
    const live = isLive(batch);
    const html = await this.renderer.page(req, res, 'domain/batch', {
      title: batch.name === '' ? this.renderer.t(req, 'batch.title', { host: batch.source.host }) : batch.name,
      section: 'domain',
      // Whoever looks for something without a script is not interrupted.
      ...(live && show === 'all' && q === '' && page === 1 && { refreshSeconds: REFRESH_SECONDS * 3 }),
      live: live ? REFRESH_SECONDS : null,
      batch: {
        ...batch,
        reason: batch.reason === undefined ? null : { ...batch.reason, action: batch.reason.action ?? null },
      },
      admin: batch.auth.username ?? '',
      hours: batch.options.hours ?? { from: '', to: '', timeZone: 'UTC' },
      base,
      back: batchPath(batch.domain),
      draft: batch.state === 'draft',
      over: batch.state === 'finished' || batch.state === 'cancelled',
      tiles: tiles(batch).map((tile) => ({
        ...tile,
        label: t(`batch.tiles.${tile.key}`),
        href: `${this.site.url(base)}${tile.show === 'all' ? '' : `?show=${tile.show}`}#rows`,
      })),
      ended: endedOf(batch),
      actions: headActions(batch).map((action) => ({ ...action, label: t(`batch.actions.${action.action}`) })),
      mayStart: batch.actions.includes('start'),
      maySync: batch.actions.includes('sync'),
      mayFinish: batch.actions.includes('finish'),
      without: batch.counts.accepted - batch.counts.ready,
      reasonTitle: t(`batch.${titleOfReason(batch)}`),
      needsPassword: batch.auth.kind === 'admin' && batch.state !== 'draft' && asksPassword(batch, req),
      publicUrl: this.options.publicUrl !== null,
      worst: (worst ?? []).map(batchRow),
      rows: (rows?.rows ?? []).map(batchRow),
      rowActions: rowActions(batch).map((value) => ({ value, label: t(`batch.rowActions.${value}`) })),
      show,
      q,
      shows: FILTERS.filter((one) => offered(one, batch) || one === show).map((value) => ({
        value,
        label: t(`batch.shows.${value}`),
        selected: value === show,
      })),
      here: withQuery('', { show: show === 'all' ? '' : show, q, page: page === 1 ? '' : String(page) }),
      paging: paging(
        this.site.url(base),
        { show: show === 'all' ? '' : show, q },
        page,
        ROWS_PER_PAGE,
        rows?.total ?? 0,
      ),
      timeZones: zones(batch.options.hours?.timeZone ?? 'UTC'),
      ...this.said(req),
    });
    res.send(html);
  }

  @Get(':id/cancel')
  @Access('page.batch')
  async askCancel(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Sees() sees: Visibility,
  ): Promise<void> {
    const batch = await this.find(sees, domain, id);
    const html = await this.renderer.page(req, res, 'domain/batch-cancel', {
      title: this.renderer.t(req, 'batch.cancel.title'),
      section: 'domain',
      base: batchPath(batch.domain, batch.id),
      open: batch.counts.accepted - endedOf(batch),
    });
    res.send(html);
  }

  @Post(':id/actions/:action')
  @Access('page.batch.act')
  async act(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Param('action') name: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const action = BATCH_ACTIONS.find((one) => one === name);
    if (action === undefined) throw notFound();
    const batch = await this.find(actor.visibility, domain, id);
    const body = bodyOf(req);
    const local = field(body, 'at');
    const timeZone = field(body, 'timeZone') || 'UTC';
    if (local !== '' && (!LOCAL_TIME.test(local) || !isTimeZone(timeZone)))
      return this.back(res, batch, '?problem=VALIDATION');
    const options: ActOptions = {
      ...(action === 'start' && local !== '' && { at: atZone(local, timeZone).toISOString() }),
      ...(action === 'sync' && field(body, 'last') !== '' && { last: true }),
      ...(action === 'finish' && field(body, 'anyway') !== '' && { anyway: true }),
    };
    await this.attempt(res, batch, action, () => this.batches.act(actor, batch.id, action, options));
  }

  /** Chosen rows. */
  @Post(':id/rows')
  @Access('page.batch.act')
  async actOnRows(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.find(actor.visibility, domain, id);
    const body = bodyOf(req);
    const rows = fields(body, 'rows').map(Number);
    const action = BATCH_ACTIONS.find((one) => one === field(body, 'action'));
    const where = hereOf(field(body, 'here'));
    if (action === undefined || rows.length === 0) return this.back(res, batch, '?problem=NOTHING_CHOSEN', where);
    const ids = await this.jobsOf(actor.visibility, batch, where, rows);
    if (ids.length === 0) return this.back(res, batch, '?problem=NOTHING_CHOSEN', where);
    await this.attempt(res, batch, action, () => this.batches.act(actor, batch.id, action, { ids }), where);
  }

  @Post(':id/schedule')
  @Access('page.batch.act')
  async schedule(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.find(actor.visibility, domain, id);
    const body = bodyOf(req);
    const [from, to, every] = [field(body, 'from'), field(body, 'to'), field(body, 'every')];
    await this.attempt(res, batch, 'schedule', () =>
      this.batches.reschedule(actor, batch.id, {
        atOnce: Number(field(body, 'atOnce')),
        hours: from === '' && to === '' ? null : { from, to, timeZone: field(body, 'timeZone') || 'UTC' },
        syncEveryHours: every === '' ? null : Number(every),
      }),
    );
  }

  @Post(':id/password')
  @Access('page.batch.act')
  async password(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.find(actor.visibility, domain, id);
    await this.attempt(res, batch, 'password', () =>
      this.batches.setPassword(actor, batch.id, secretField(bodyOf(req), 'adminPassword')),
    );
  }

  @Post(':id/invitations')
  @Access('page.batch.act')
  async invite(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.find(actor.visibility, domain, id);
    const body = bodyOf(req);
    const days = Number(field(body, 'days') || INVITATION_DAYS);
    const send = field(body, 'do') === 'send';
    await this.attempt(res, batch, send ? 'invited' : 'links', () =>
      this.batches.invite(actor, batch.id, { days, send }),
    );
  }

  @Post(':id/links.csv')
  @Access('page.batch.act')
  async links(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.find(actor.visibility, domain, id);
    const links = await this.batches.links(actor, batch.id);
    const lines = links.map(({ mailbox, username, token, expiresAt }) =>
      csvLine([mailbox, username, this.site.handOn(req, `/links/${token}`), expiresAt]),
    );
    csvHead(res, `links-${batch.id}.csv`);
    res.send(`mailbox,source_username,link,expires\r\n${lines.join('')}`);
  }

  @Get(':id/report.csv')
  @Access('page.batch')
  async report(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Res() res: Response,
    @Sees() sees: Visibility,
  ): Promise<void> {
    const batch = await this.find(sees, domain, id);
    const lines = found(await this.reports.batchCsv(sees, batch.id));
    csvHead(res, `batch-${batch.id}.csv`);
    // Cut, not ended, when the rest cannot be read: half a report must not look whole.
    await pipeline(Readable.from(lines), res).catch(() => res.destroy());
  }

  @Post(':id/discard')
  @Access('page.batch.act')
  async discard(
    @Param('domain') domain: string,
    @Param('id') id: string,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.find(actor.visibility, domain, id);
    await this.batches.discard(actor, batch.id);
    res.redirect(303, this.site.url(`${batchPath(batch.domain)}?done=batch_discard`));
  }

  /** The migrations behind chosen rows: a page holds row numbers, and the database knows whose they are. */
  private async jobsOf(sees: Visibility, batch: BatchView, where: Here, chosen: readonly number[]): Promise<string[]> {
    const list = await this.batches.rows(sees, batch.id, { ...where, perPage: ROWS_PER_PAGE });
    return (list?.rows ?? []).flatMap(({ row, job }) => (job !== null && chosen.includes(row) ? [job] : []));
  }

  private async attempt(
    res: Response,
    batch: BatchView,
    done: string,
    work: () => Promise<unknown>,
    where?: Here,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof JobError) || statusOf(error.code) === 404) throw error;
      return this.back(res, batch, `?problem=${encodeURIComponent(error.code)}`, where);
    }
    this.back(res, batch, `?done=batch_${done}`, where);
  }

  private back(res: Response, batch: BatchView, said: string, where?: Here): void {
    const query = Object.fromEntries(new URLSearchParams(said));
    const { show = 'all', q = '', page = 1 } = where ?? {};
    const path = this.site.url(batchPath(batch.domain, batch.id));
    res.redirect(
      303,
      withQuery(path, { ...query, show: show === 'all' ? '' : show, q, page: page === 1 ? '' : String(page) }),
    );
  }

  private said(req: Request): Readonly<Record<string, unknown>> {
    const t = (key: string): string | null => (this.renderer.words.has(key) ? this.renderer.t(req, key) : null);
    const { done } = flashOf(req.query, t);
    const { problem } = flashOf(req.query, (key) => t(key.replace(/^problems\./, 'batch.problems.')) ?? t(key));
    return { done, problem };
  }

  private async find(sees: Visibility, domain: string, id: string): Promise<BatchView> {
    const batch = await batchOf(this.batches, sees, domain, id);
    if (batch === null) throw notFound();
    return batch;
  }
}

const FILTERS: readonly RowFilter[] = [
  'all',
  'attention',
  'active',
  'waiting',
  'completed',
  'refused',
  'not-ready',
  'test-failed',
  'too-big',
];

function offered(filter: RowFilter, { state, auth, counts }: BatchView): boolean {
  if (filter === 'not-ready') return auth.kind === 'ask-user';
  if (filter === 'test-failed' || filter === 'too-big') return counts.tested > 0;
  return state !== 'draft' || filter === 'all' || filter === 'refused';
}

/** Key of what a reason of the batch is about. */
function titleOfReason({ state, reason }: BatchView): string {
  if (reason?.code === 'FINISH_NEEDS_YOU') return 'notFinished';
  return state === 'paused' ? 'stopped' : 'testsStopped';
}

const PASSWORD_CODES = ['SIGN_INS_REFUSED', 'CREDENTIALS_REQUIRED'];
function asksPassword({ reason }: BatchView, req: Request): boolean {
  return PASSWORD_CODES.includes(reason?.code ?? '') || PASSWORD_CODES.includes(String(req.query['problem']));
}

interface Here {
  readonly show: RowFilter;
  readonly q: string;
  readonly page: number;
}

/** The list's own address, sent along by its form. */
function hereOf(text: string): Here {
  const query = new URLSearchParams(text.slice(0, 1_000));
  return {
    show: rowFilterOf(query.get('show')),
    q: query.get('q') ?? '',
    page: pageNumber(query.get('page')),
  };
}

function zones(chosen: string) {
  const names = ['UTC', ...Intl.supportedValuesOf('timeZone')];
  return (names.includes(chosen) ? names : [chosen, ...names]).map((value) => ({
    value,
    label: value,
    selected: value === chosen,
  }));
}

function csvHead(res: Response, name: string): void {
  res.status(200);
  res.setHeader('Content-Type', 'text/csv; charset=utf-8');
  res.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  res.setHeader('Cache-Control', 'no-store');
}
