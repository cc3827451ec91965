import { Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { BatchView } from '../../batches/batch.js';
import type { BatchesApi } from '../../batches/contract.js';
import { type Actor, type ConnectionTestsApi, JobError } from '../../jobs/contract.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { Access, Acting } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { BATCHES_API, CONNECTION_TESTS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { statusOf } from '../web-error.js';
import { batchPath, domainOf } from './batch-access.js';
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
import { BatchSetup } from './batch-setup.js';
import { bodyOf, field } from '../form-body.js';

/** A new batch, first step: the old server. */
@WebController('domains/:domain/batches')
export class BatchServerController {
  constructor(
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    @Inject(CONNECTION_TESTS_API) private readonly tests: ConnectionTestsApi,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    private readonly setup: BatchSetup,
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
  async server(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.setup.draft(actor, req, res);
    if (batch === null) return;
    await this.showServer(req, res, 200, batch.domain, batch, formOf(batch), {}, null);
  }

  @Post(':id/server')
  @Access('page.batch.act')
  async changeServer(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const batch = await this.setup.draft(actor, req, res);
    if (batch === null) return;
    await this.saveServer(req, res, actor, batch.domain, batch);
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
      const found = await this.tests.discover(actor, form.address, form.kind === 'ews' ? 'ews' : 'imap');
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
    const words = form.kind === 'ews' ? 'connection.notFoundExchange' : 'connection.notFound';
    const errors = { address: this.renderer.t(req, words) };
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
      ...this.setup.steps(req, 'server', batch),
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
      kinds: select(['imap', 'ews'], form.kind, 'batch.server.kinds'),
      rules: select(['address', 'local-part', 'old-domain', 'template'], form.rule, 'batch.server.rules'),
    });
    res.status(status).send(html);
  }
}
