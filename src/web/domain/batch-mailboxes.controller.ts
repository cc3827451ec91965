import { Get, Inject, Post, Req, Res } from '@nestjs/common';
import type { BatchView } from '../../batches/batch.js';
import type { BatchesApi, BatchRows } from '../../batches/contract.js';
import { type Actor, JobError } from '../../jobs/contract.js';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import { HOST_PANEL } from '../../panel/options.js';
import { Access, Acting, LargeBody, Who } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { queryText } from '../query-text.js';
import { Renderer } from '../render/renderer.js';
import { pageNumber, paging } from '../status/paging.js';
import { BATCHES_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { statusOf } from '../web-error.js';
import { batchPath } from './batch-access.js';
import { MAX_SEARCH } from './batch-pages.js';
import { BatchSetup } from './batch-setup.js';
import { bodyOf, field, fields, type FormBody } from '../form-body.js';

const MAILBOXES_PER_PAGE = 100;
const WHICH = ['all', 'some', 'file', 'paste'] as const;
type Which = (typeof WHICH)[number];

/** A new batch, second step: the mailboxes. The third is the batch's own page, before anything starts. */
@WebController('domains/:domain/batches')
export class BatchMailboxesController {
  constructor(
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    private readonly setup: BatchSetup,
    private readonly renderer: Renderer,
  ) {}

  @Get(':id/mailboxes')
  @Access('page.batch')
  async mailboxes(
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.setup.draft(actor, req, res);
    if (batch === null) return;
    await this.showMailboxes(req, res, 200, who, batch, {}, null);
  }

  @Post(':id/mailboxes')
  @Access('page.batch.act')
  @LargeBody()
  async fill(@Req() req: Request, @Res() res: Response, @Who() who: Principal, @Acting() actor: Actor): Promise<void> {
    const batch = await this.setup.draft(actor, req, res);
    if (batch === null) return;
    const body = bodyOf(req);
    if (field(body, 'do') === 'search' || pageAsked(body) !== null)
      return this.showMailboxes(req, res, 200, who, batch, body, null);
    const rows = rowsOf(body);
    const again = (message: string, code: string | null, status = 422): Promise<void> =>
      this.showMailboxes(req, res, status, who, batch, body, { code, message });
    if (rows === null) return again(this.renderer.t(req, `batch.mailboxes.missing.${whichOf(body, batch)}`), null);
    try {
      const { notChecked } = await this.batches.fill(actor, batch.id, rows);
      this.setup.toBatch(res, batch.domain, batch.id, notChecked === 0 ? '' : '?done=batch_not_checked');
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      return again(error.message, error.code, statusOf(error.code));
    }
  }

  private async showMailboxes(
    req: Request,
    res: Response,
    status: number,
    who: Principal,
    batch: BatchView,
    body: FormBody,
    alert: { readonly code: string | null; readonly message: string } | null,
  ): Promise<void> {
    const listed = batch.auth.kind !== 'per-row';
    const q = queryText(field(body, 'q'), MAX_SEARCH);
    const page = pageAsked(body) ?? 1;
    const list = listed
      ? await this.panel.listMailboxes(who, batch.domain, { page, perPage: MAILBOXES_PER_PAGE, ...(q !== '' && { q }) })
      : { items: [], total: 0 };
    const chosen = new Set(fields(body, 'chosen'));
    const shown = list.items.map(({ address, name }) => ({
      address,
      name: name ?? null,
      chosen: chosen.delete(address),
    }));
    const base = batchPath(batch.domain, batch.id);
    const which = whichOf(body, batch);
    const html = await this.renderer.page(req, res, 'domain/batch-mailboxes', {
      title: this.renderer.t(req, 'batch.mailboxes.title'),
      section: 'domain',
      domain: batch.domain,
      kind: batch.auth.kind,
      action: `${base}/mailboxes`,
      back: `${base}/server`,
      ...this.setup.steps(req, 'mailboxes', batch),
      listed,
      which: Object.fromEntries(WHICH.map((one) => [one, one === which])),
      q,
      text: field(body, 'text').slice(0, 20_000),
      mailboxes: shown,
      // Chosen on another page of the list, or before another search.
      others: [...chosen],
      chosenCount: chosen.size + shown.filter((mailbox) => mailbox.chosen).length,
      total: list.total,
      paging: paging('', {}, page, MAILBOXES_PER_PAGE, list.total),
      alert,
    });
    res.status(status).send(html);
  }
}

/** The page of the list a button asked for: `do=page-3`. */
function pageAsked(body: FormBody): number | null {
  const asked = /^page-(\d{1,6})$/.exec(field(body, 'do'))?.[1];
  return asked === undefined ? null : pageNumber(asked);
}

function whichOf(body: FormBody, batch: BatchView): Which {
  const which = WHICH.find((one) => one === field(body, 'which'));
  return which ?? (batch.auth.kind === 'per-row' ? 'file' : 'all');
}

/** Null: what was chosen is missing. */
function rowsOf(body: FormBody): BatchRows | null {
  const file: unknown = body['file'];
  const csv = file instanceof Uint8Array && file.length > 0 ? file : null;
  switch (field(body, 'which')) {
    case 'all':
      // Whoever gave a list means the list, whatever the choice above it stands on.
      if (csv !== null) return { csv };
      return field(body, 'text') === '' ? { panel: 'all' } : { csv: field(body, 'text') };
    case 'some': {
      const chosen = fields(body, 'chosen');
      return chosen.length === 0 ? null : { panel: chosen };
    }
    case 'file':
      return csv === null ? null : { csv };
    case 'paste': {
      const text = field(body, 'text');
      return text === '' ? null : { csv: text };
    }
    default:
      return null;
  }
}
