import { Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { BatchView } from '../../batches/batch.js';
import { BATCH_ACTIONS } from '../../batches/batch.js';
import type { ActOptions, BatchesApi } from '../../batches/contract.js';
import { atZone, isLocalTime, isTimeZone } from '../../batches/hours.js';
import type { Actor, Visibility } from '../../jobs/contract.js';
import { csvLine } from '../../reports/csv.js';
import { Access, Acting } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { queryText } from '../query-text.js';
import { Site } from '../site.js';
import { pageNumber } from '../status/paging.js';
import { BATCHES_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { batchPath } from './batch-access.js';
import { rowFilterOf } from './batch-page.js';
import { BatchPages, csvHead, type Here, MAX_SEARCH, ROWS_PER_PAGE } from './batch-pages.js';
import { bodyOf, field, fields, secretField } from '../form-body.js';
import { notFound } from '../web-error.js';

const INVITATION_DAYS = 14;

/** What can be done about a batch; every answer leads back to its page. */
@WebController('domains/:domain/batches')
export class BatchActsController {
  constructor(
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    private readonly pages: BatchPages,
    private readonly site: Site,
  ) {}

  @Post(':id/actions/:action')
  @Access('page.batch.act')
  async act(
    @Param('action') name: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const action = BATCH_ACTIONS.find((one) => one === name);
    if (action === undefined) throw notFound();
    const batch = await this.pages.find(actor.visibility, req);
    const body = bodyOf(req);
    const local = field(body, 'at');
    const timeZone = field(body, 'timeZone') || 'UTC';
    if (local !== '' && (!isLocalTime(local) || !isTimeZone(timeZone)))
      return this.pages.back(res, batch, '?problem=VALIDATION');
    const options: ActOptions = {
      ...(action === 'start' && local !== '' && { at: atZone(local, timeZone).toISOString() }),
      ...(action === 'sync' && field(body, 'last') !== '' && { last: true }),
      ...(action === 'finish' && field(body, 'anyway') !== '' && { anyway: true }),
    };
    await this.pages.attempt(res, batch, action, () => this.batches.act(actor, batch.id, action, options));
  }

  /** Chosen rows. */
  @Post(':id/rows')
  @Access('page.batch.act')
  async actOnRows(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.pages.find(actor.visibility, req);
    const body = bodyOf(req);
    const rows = fields(body, 'rows').map(Number);
    const action = BATCH_ACTIONS.find((one) => one === field(body, 'action'));
    const where = hereOf(field(body, 'here'));
    if (action === undefined || rows.length === 0) return this.pages.back(res, batch, '?problem=NOTHING_CHOSEN', where);
    const ids = await this.jobsOf(actor.visibility, batch, where, rows);
    if (ids.length === 0) return this.pages.back(res, batch, '?problem=NOTHING_CHOSEN', where);
    await this.pages.attempt(res, batch, action, () => this.batches.act(actor, batch.id, action, { ids }), where);
  }

  @Post(':id/schedule')
  @Access('page.batch.act')
  async schedule(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.pages.find(actor.visibility, req);
    const body = bodyOf(req);
    const [from, to, every] = [field(body, 'from'), field(body, 'to'), field(body, 'every')];
    await this.pages.attempt(res, batch, 'schedule', () =>
      this.batches.reschedule(actor, batch.id, {
        atOnce: Number(field(body, 'atOnce')),
        hours: from === '' && to === '' ? null : { from, to, timeZone: field(body, 'timeZone') || 'UTC' },
        syncEveryHours: every === '' ? null : Number(every),
      }),
    );
  }

  @Post(':id/password')
  @Access('page.batch.act')
  async password(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.pages.find(actor.visibility, req);
    await this.pages.attempt(res, batch, 'password', () =>
      this.batches.setPassword(actor, batch.id, secretField(bodyOf(req), 'adminPassword')),
    );
  }

  /** Port, encryption and certificate of a batch that has stopped, for all its mailboxes. */
  @Post(':id/connection')
  @Access('page.batch.act')
  async connection(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.pages.find(actor.visibility, req);
    const body = bodyOf(req);
    const security = (['tls', 'starttls', 'none'] as const).find((one) => one === field(body, 'security'));
    const fingerprint = field(body, 'fingerprint');
    const password = secretField(body, 'adminPassword');
    await this.pages.attempt(res, batch, 'connection', () =>
      this.batches.reconnect(actor, batch.id, {
        port: Number(field(body, 'port')),
        security: security ?? batch.source.security,
        ...(fingerprint !== '' && { caFingerprint: fingerprint }),
        ...(password !== '' && { password }),
      }),
    );
  }

  @Post(':id/invitations')
  @Access('page.batch.act')
  async invite(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.pages.find(actor.visibility, req);
    const body = bodyOf(req);
    const days = Number(field(body, 'days') || INVITATION_DAYS);
    const send = field(body, 'do') === 'send';
    await this.pages.attempt(res, batch, send ? 'invited' : 'links', () =>
      this.batches.invite(actor, batch.id, { days, send }),
    );
  }

  @Post(':id/links.csv')
  @Access('page.batch.act')
  async links(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.pages.find(actor.visibility, req);
    const links = await this.batches.links(actor, batch.id);
    const lines = links.map(({ mailbox, username, token, expiresAt }) =>
      csvLine([mailbox, username, this.site.handOn(req, `/links/${token}`), expiresAt]),
    );
    csvHead(res, `links-${batch.id}.csv`);
    res.send(`mailbox,source_username,link,expires\r\n${lines.join('')}`);
  }

  @Post(':id/discard')
  @Access('page.batch.act')
  async discard(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.pages.find(actor.visibility, req);
    await this.batches.discard(actor, batch.id);
    res.redirect(303, this.site.url(`${batchPath(batch.domain)}?done=batch_discard`));
  }

  /** The migrations behind chosen rows: a page holds row numbers, and the database knows whose they are. */
  private async jobsOf(sees: Visibility, batch: BatchView, where: Here, chosen: readonly number[]): Promise<string[]> {
    const list = await this.batches.rows(sees, batch.id, { ...where, perPage: ROWS_PER_PAGE });
    return (list?.rows ?? []).flatMap(({ row, job }) => (job !== null && chosen.includes(row) ? [job] : []));
  }
}

/** The list's own address, sent along by its form. */
function hereOf(text: string): Here {
  const query = new URLSearchParams(text.slice(0, 1_000));
  return {
    show: rowFilterOf(query.get('show')),
    q: queryText(query.get('q'), MAX_SEARCH),
    page: pageNumber(query.get('page')),
  };
}
