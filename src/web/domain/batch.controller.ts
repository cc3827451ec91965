import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { Get, Inject, Req, Res } from '@nestjs/common';
import { type BatchView, ROW_FILTERS, type RowFilter } from '../../batches/batch.js';
import type { BatchesApi } from '../../batches/contract.js';
import type { Visibility } from '../../jobs/contract.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import type { ReportsApi } from '../../reports/contract.js';
import { found } from '../api/answer.js';
import { Access, Sees } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { queryText } from '../query-text.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { pageNumber, paging, withQuery } from '../status/paging.js';
import { BATCHES_API, REPORTS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { batchPath } from './batch-access.js';
import { batchRow, busyOf, endedOf, headActions, isLive, rowActions, rowFilterOf, tiles } from './batch-page.js';
import { BatchPages, csvHead, MAX_SEARCH, ROWS_PER_PAGE } from './batch-pages.js';

/** Seconds after which a page that is watched is drawn anew. */
const REFRESH_SECONDS = 5;

/** One batch: before it starts its preview, then the page to watch it on. What is done about it: BatchActsController. */
@WebController('domains/:domain/batches')
export class BatchController {
  constructor(
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    @Inject(REPORTS_API) private readonly reports: ReportsApi,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    private readonly pages: BatchPages,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get(':id')
  @Access('page.batch')
  async show(@Req() req: Request, @Res() res: Response, @Sees() sees: Visibility): Promise<void> {
    const batch = await this.pages.find(sees, req);
    if (batch.state === 'draft' && batch.counts.rows === 0)
      return res.redirect(303, this.site.url(`${batchPath(batch.domain, batch.id)}/mailboxes`));
    const show = rowFilterOf(req.query['show']);
    const q = queryText(req.query['q'], MAX_SEARCH);
    const page = pageNumber(req.query['page']);
    const [rows, worst] = await Promise.all([
      this.batches.rows(sees, batch.id, { show, q, page, perPage: ROWS_PER_PAGE }),
      this.batches.worst(sees, batch.id),
    ]);
    const base = batchPath(batch.domain, batch.id);
    const t = (key: string): string => this.renderer.t(req, key);
    const live = isLive(batch);
    const over = batch.state === 'finished' || batch.state === 'cancelled';
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
      over,
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
      shows: ROW_FILTERS.filter((one) => offered(one, batch) || one === show).map((value) => ({
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
      mayReconnect: batch.state !== 'draft' && !over && busyOf(batch) === 0,
      securities: this.securities(req, batch),
      ...this.pages.said(req),
    });
    res.send(html);
  }

  @Get(':id/cancel')
  @Access('page.batch')
  async askCancel(@Req() req: Request, @Res() res: Response, @Sees() sees: Visibility): Promise<void> {
    const batch = await this.pages.find(sees, req);
    const html = await this.renderer.page(req, res, 'domain/batch-cancel', {
      title: this.renderer.t(req, 'batch.cancel.title'),
      section: 'domain',
      base: batchPath(batch.domain, batch.id),
      open: batch.counts.accepted - endedOf(batch),
    });
    res.send(html);
  }

  @Get(':id/report.csv')
  @Access('page.batch')
  async report(@Req() req: Request, @Res() res: Response, @Sees() sees: Visibility): Promise<void> {
    const batch = await this.pages.find(sees, req);
    const lines = found(await this.reports.batchCsv(sees, batch.id));
    csvHead(res, `batch-${batch.id}.csv`);
    // Cut, not ended, when the rest cannot be read: half a report must not look whole.
    await pipeline(Readable.from(lines), res).catch(() => res.destroy());
  }

  private securities(req: Request, { source }: BatchView) {
    const { allowPlaintext } = this.options.egress;
    return (['tls', 'starttls', 'none'] as const)
      .filter((value) => value !== 'none' || allowPlaintext || source.security === 'none')
      .map((value) => ({
        value,
        label: this.renderer.t(req, `connection.securities.${value}`),
        selected: value === source.security,
      }));
  }
}

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

function zones(chosen: string) {
  const names = ['UTC', ...Intl.supportedValuesOf('timeZone')];
  return (names.includes(chosen) ? names : [chosen, ...names]).map((value) => ({
    value,
    label: value,
    selected: value === chosen,
  }));
}
