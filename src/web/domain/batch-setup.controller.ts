import { Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { BatchView } from '../../batches/batch.js';
import type { BatchesApi, BatchRows } from '../../batches/contract.js';
import { type Actor, type ConnectionTestsApi, JobError } from '../../jobs/contract.js';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { Access, Acting, LargeBody, Who } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { pageNumber, paging } from '../status/paging.js';
import { BATCHES_API, CONNECTION_TESTS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { statusOf } from '../web-error.js';
import { field, fields, type FormBody } from '../wizard/wizard-form.js';
import { batchOf, batchPath, bodyOf, domainOf, notFound } from './batch-access.js';
import {
  emptyForm,
  errorsOf,
  formOf,
  readServerForm,
  SERVER_FIELDS,
  settingsOf,
  type ServerErrors,
  type ServerForm,
} from './batch-form.js';

const MAILBOXES_PER_PAGE = 100;
const STEPS = ['server', 'mailboxes', 'check'] as const;
const WHICH = ['all', 'some', 'file', 'paste'] as const;
type Which = (typeof WHICH)[number];

/** A new batch: the old server, then the mailboxes. Its third step is the batch's own page, before anything starts. */
@WebController('domains/:domain/batches')
export class BatchSetupController {
  constructor(
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    @Inject(CONNECTION_TESTS_API) private readonly tests: ConnectionTestsApi,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get('new')
  @Access('page.batch')
  async begin(
    @Param('domain') name: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const domain = domainOf(actor.visibility, name);
    await this.showServer(req, res, 200, domain, null, emptyForm(this.options.destinationNeedsSecret), {}, null);
  }

  @Post('new')
  @Access('page.batch.act')
  async create(
    @Param('domain') name: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    await this.saveServer(req, res, actor, domainOf(actor.visibility, name), null);
  }

  @Get(':id/server')
  @Access('page.batch')
  async server(
    @Param('domain') name: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.draft(actor, name, id);
    if (batch === null) return this.toBatch(res, name, id);
    await this.showServer(req, res, 200, batch.domain, batch, formOf(batch), {}, null);
  }

  @Post(':id/server')
  @Access('page.batch.act')
  async changeServer(
    @Param('domain') name: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.draft(actor, name, id);
    if (batch === null) return this.toBatch(res, name, id);
    await this.saveServer(req, res, actor, batch.domain, batch);
  }

  @Get(':id/mailboxes')
  @Access('page.batch')
  async mailboxes(
    @Param('domain') name: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.draft(actor, name, id);
    if (batch === null) return this.toBatch(res, name, id);
    await this.showMailboxes(req, res, 200, who, batch, {}, null);
  }

  @Post(':id/mailboxes')
  @Access('page.batch.act')
  @LargeBody()
  async fill(
    @Param('domain') name: string,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
  ): Promise<void> {
    const batch = await this.draft(actor, name, id);
    if (batch === null) return this.toBatch(res, name, id);
    const body = bodyOf(req);
    if (field(body, 'do') === 'search' || pageAsked(body) !== null)
      return this.showMailboxes(req, res, 200, who, batch, body, null);
    const rows = rowsOf(body);
    const again = (message: string, code: string | null, status = 422): Promise<void> =>
      this.showMailboxes(req, res, status, who, batch, body, { code, message });
    if (rows === null) return again(this.renderer.t(req, `batch.mailboxes.missing.${whichOf(body, batch)}`), null);
    try {
      await this.batches.fill(actor, batch.id, rows);
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      return again(error.message, error.code, statusOf(error.code));
    }
    this.toBatch(res, batch.domain, batch.id);
  }

  private async saveServer(
    req: Request,
    res: Response,
    actor: Actor,
    domain: string,
    batch: BatchView | null,
  ): Promise<void> {
    const body = bodyOf(req);
    const form = readServerForm(body);
    if (field(body, 'do') === 'find') return this.find(req, res, actor, domain, batch, form);
    try {
      const settings = settingsOf(form, body);
      const saved =
        batch === null
          ? await this.batches.create(actor, { domain, ...settings })
          : await this.batches.change(actor, batch.id, settings);
      res.redirect(303, this.site.url(`${batchPath(domain, saved.id)}/mailboxes`));
    } catch (error) {
      const errors = errorsOf(error, (name) => this.renderer.t(req, `batch.server.errors.${name}`));
      const { code, message } = error as JobError;
      await this.showServer(
        req,
        res,
        422,
        domain,
        batch,
        form,
        errors ?? {},
        errors === null ? { code, message } : null,
      );
    }
  }

  private async find(
    req: Request,
    res: Response,
    actor: Actor,
    domain: string,
    batch: BatchView | null,
    form: ServerForm,
  ): Promise<void> {
    try {
      const found = await this.tests.discover(actor, form.address);
      if (found.found && found.host !== undefined) {
        const { host, port, security = 'tls' } = found;
        const filled: ServerForm = { ...form, host, port: String(port ?? ''), security };
        return await this.showServer(req, res, 200, domain, batch, filled, {}, null, found.by ?? 'provider');
      }
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      if (error.code !== 'VALIDATION')
        return this.showServer(req, res, statusOf(error.code), domain, batch, form, {}, error);
    }
    const errors = { address: this.renderer.t(req, 'connection.notFound') };
    await this.showServer(req, res, 422, domain, batch, form, errors, null);
  }

  private async showServer(
    req: Request,
    res: Response,
    status: number,
    domain: string,
    batch: BatchView | null,
    form: ServerForm,
    errors: ServerErrors,
    alert: { readonly code: string | null; readonly message: string } | null,
    foundBy: string | null = null,
  ): Promise<void> {
    const t = (key: string): string => this.renderer.t(req, key);
    const select = (values: readonly string[], chosen: string, words: string) =>
      values.map((value) => ({ value, label: t(`${words}.${value}`), selected: value === chosen }));
    const wrong = alert !== null || Object.keys(errors).length > 0;
    const html = await this.renderer.page(req, res, 'domain/batch-server', {
      title: wrong ? `${t('common.problem')}: ${t('batch.server.title')}` : t('batch.server.title'),
      section: 'domain',
      domain,
      action: batch === null ? `${batchPath(domain)}/batches/new` : `${batchPath(domain, batch.id)}/server`,
      back: batchPath(domain),
      replaces: batch !== null && batch.counts.rows > 0,
      ...this.steps(req, 'server', batch),
      form,
      foundBy,
      askUserOnly: this.options.destinationNeedsSecret,
      errors: Object.fromEntries(SERVER_FIELDS.map((name) => [name, errors[name] ?? null])),
      errorCount: Object.keys(errors).length,
      alert,
      securities: select(
        ['tls', 'starttls', ...(this.options.egress.allowPlaintext ? ['none'] : [])],
        form.security,
        'connection.securities',
      ),
      methods: select(['composite', 'authzid', 'impersonation'], form.method, 'batch.server.methods'),
      rules: select(['address', 'local-part', 'old-domain', 'template'], form.rule, 'batch.server.rules'),
    });
    res.status(status).send(html);
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
    const q = field(body, 'q').slice(0, 200);
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
      ...this.steps(req, 'mailboxes', batch),
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

  private steps(req: Request, current: (typeof STEPS)[number], batch: BatchView | null) {
    const at = STEPS.indexOf(current);
    const base = batch === null ? null : this.site.url(batchPath(batch.domain, batch.id));
    const paths = { server: '/server', mailboxes: '/mailboxes', check: '' };
    return {
      steps: STEPS.map((step, i) => ({
        label: this.renderer.t(req, `batch.steps.${step}`),
        state: i < at ? 'done' : i === at ? 'current' : 'todo',
        ...(i < at && base !== null && { href: base + paths[step] }),
      })),
      current: at + 1,
    };
  }

  /** Null: it has been started, so there is nothing to set up any more. */
  private async draft(actor: Actor, domain: string, id: string): Promise<BatchView | null> {
    const batch = await batchOf(this.batches, actor.visibility, domain, id);
    if (batch === null) throw notFound();
    return batch.state === 'draft' ? batch : null;
  }

  private toBatch(res: Response, domain: string, id: string): void {
    res.redirect(303, this.site.url(batchPath(domain.toLowerCase(), id)));
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
