import { Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { type Actor, JobError, type JobsApi, type Visibility } from '../../jobs/contract.js';
import { isOfFiles } from '../../jobs/settings.js';
import type { JobAction, JobView } from '../../jobs/job.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import type { Principal } from '../../panel/host-panel.js';
import type { SupportApi } from '../../support/contract.js';
import { actionKey, caseView } from '../admin/case-view.js';
import { idOf } from '../api/answer.js';
import { Access, Acting, Sees, Who } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { JOBS_API, SUPPORT_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { notFound, statusOf } from '../web-error.js';
import { isPassword } from '../wizard/checks.js';
import { afterPassword, jobPage } from './job-page.js';
import { jobRow } from './job-row.js';
import { flashOf, problemOf, type Flash } from './flash.js';
import { pageNumber, paging } from './paging.js';
import { bodyOf, secretField } from '../form-body.js';

/** Seconds after which a browser without JavaScript loads a running migration again. */
const REFRESH_SECONDS = 5;
const JOBS_PER_PAGE = 20;
/** What a button of the page may ask for; the state table decides whether it may be done now. */
const ACTIONS: readonly JobAction[] = ['pause', 'resume', 'cancel', 'retry', 'sync'];

/** My migrations, and one of them. */
@WebController()
export class StatusController {
  constructor(
    @Inject(JOBS_API) private readonly jobs: JobsApi,
    @Inject(SUPPORT_API) private readonly support: SupportApi,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get()
  @Access('page.home')
  async home(
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Sees() sees: Visibility,
  ): Promise<void> {
    const page = pageNumber(req.query['page']);
    const own = ownOnly(sees);
    const list = await this.jobs.list(own, { page, perPage: JOBS_PER_PAGE });
    const html = await this.renderer.page(req, res, 'status/home', {
      title: this.renderer.t(req, 'home.title'),
      section: 'home',
      ...(list.jobs.some((job) => jobPage(job).live) && { refreshSeconds: REFRESH_SECONDS * 2 }),
      jobs: list.jobs.map(jobRow),
      mayStart: own.mailboxes.length > 0 || sees.domains.length > 0,
      domains: who.role === 'domain-admin' ? sees.domains : [],
      paging: paging(this.site.url('/'), {}, page, JOBS_PER_PAGE, list.total),
      ...this.flash(req),
    });
    res.send(html);
  }

  @Get('jobs/:id')
  @Access('page.job')
  async job(
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Sees() sees: Visibility,
  ): Promise<void> {
    const job = await this.find(sees, id);
    await this.show(req, res, 200, who, sees, job, { ...this.flash(req), error: null, destinationError: null });
  }

  @Get('jobs/:id/cancel')
  @Access('page.job')
  async askCancel(
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Sees() sees: Visibility,
  ): Promise<void> {
    const job = await this.find(sees, id);
    if (!job.actions.includes('cancel')) return res.redirect(303, this.site.url(`/jobs/${id}?problem=INVALID_STATE`));
    const html = await this.renderer.page(req, res, 'status/cancel', {
      title: this.renderer.t(req, 'job.cancelTitle'),
      job,
    });
    res.send(html);
  }

  @Post('jobs/:id/credentials')
  @Access('page.job.act')
  async credentials(
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
  ): Promise<void> {
    const job = await this.find(actor.visibility, id);
    const body = bodyOf(req);
    const password = secretField(body, 'password');
    const destination = secretField(body, 'destinationPassword');
    const then = ACTIONS.find((action) => action === body['then']) ?? null;
    const problem = (text: string): string | null =>
      isPassword(text) ? null : this.renderer.t(req, 'connection.errors.passwordInvalid');
    const error =
      password === '' && destination === '' ? this.renderer.t(req, 'job.credentialsError') : problem(password);
    if (error !== null || problem(destination) !== null)
      return this.show(req, res, 422, who, actor.visibility, job, {
        done: null,
        problem: null,
        error,
        destinationError: problem(destination),
      });
    const outcome = await this.attempt(async () => {
      await this.jobs.setCredentials(
        actor,
        id,
        password === '' ? {} : { password },
        destination === '' ? undefined : { password: destination },
      );
      if (then !== null && job.actions.includes(then)) await this.jobs.act(actor, id, then);
    });
    res.redirect(303, this.site.url(`/jobs/${id}${outcome ?? '?done=credentials'}`));
  }

  @Post('jobs/:id/:action')
  @Access('page.job.act')
  async act(
    @Param('id') id: string,
    @Param('action') name: string,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    const action = ACTIONS.find((one) => one === name);
    if (action === undefined) throw notFound();
    const outcome = await this.attempt(() => this.jobs.act(actor, idOf(id), action));
    // Without JavaScript the way back is a page of its own, and its address says what came of the click.
    res.redirect(
      303,
      this.site.url(`/jobs/${id}${outcome ?? `?done=${action}`}${outcome === CREDENTIALS ? `&then=${action}` : ''}`),
    );
  }

  /** @returns what to add to the address when it was refused; null when it was done. */
  private async attempt(work: () => Promise<unknown>): Promise<string | null> {
    try {
      await work();
      return null;
    } catch (error) {
      // Not there, or not his: a page of its own says so.
      if (!(error instanceof JobError) || statusOf(error.code) === 404) throw error;
      return `?problem=${encodeURIComponent(error.code)}`;
    }
  }

  private async show(
    req: Request,
    res: Response,
    status: number,
    who: Principal,
    sees: Visibility,
    job: JobView,
    said: Flash & { readonly error: string | null; readonly destinationError: string | null },
  ): Promise<void> {
    const view = jobPage(job);
    const then = afterPassword(job) ?? passwordWish(req, job);
    const [log, found] = sees.all
      ? await Promise.all([this.jobs.log(sees, job.id), this.support.look(sees, job.id)])
      : [null, null];
    const html = await this.renderer.page(req, res, 'status/job', {
      title: this.renderer.t(req, 'job.title', { mailbox: job.mailbox }),
      section: who.role === 'support' ? 'admin' : 'home',
      ...(view.live && { refreshSeconds: REFRESH_SECONDS }),
      view,
      eventsUrl: view.live ? this.site.url(`/api/v1/jobs/${job.id}/events`) : null,
      credentials:
        then === null ||
        job.source.login !== undefined ||
        (isOfFiles(job.source) && !this.options.destinationNeedsSecret)
          ? null
          : {
              then,
              asksSource: !isOfFiles(job.source),
              error: said.error,
              destinationError: said.destinationError,
              needsDestination: this.options.destinationNeedsSecret,
            },
      case: found && caseView(found, job, (action) => this.actionWords(req, action)),
      log: log && {
        entries: log.map((line) => ({
          ...line,
          detail: line.detail === undefined ? null : JSON.stringify(line.detail),
        })),
      },
      // "It is on its way" is not true any more of a migration that has arrived.
      done: (job.state === 'completed' || job.state === 'cancelled') && isOnItsWay(req) ? null : said.done,
      problem: said.problem,
      list: listOf(
        who,
        job,
        (key) => this.renderer.t(req, key),
        (path) => this.site.url(path),
      ),
    });
    res.status(status).send(html);
  }

  private actionWords(req: Request, action: string): string | null {
    const key = actionKey(action);
    return this.renderer.words.has(key) ? this.renderer.t(req, key) : null;
  }

  private flash(req: Request): Flash {
    return flashOf(req.query, (key) => (this.renderer.words.has(key) ? this.renderer.t(req, key) : null));
  }

  private async find(sees: Visibility, id: string): Promise<JobView> {
    const job = await this.jobs.get(sees, idOf(id));
    if (job === null) throw notFound();
    return job;
  }
}

const CREDENTIALS = '?problem=CREDENTIALS_REQUIRED';

/** A retry that was refused for want of the password: the form says what it was for. */
function passwordWish(req: Request, job: JobView): JobAction | null {
  if (problemOf(req.query) !== 'CREDENTIALS_REQUIRED') return null;
  const wished = ACTIONS.find((action) => action === req.query['then']);
  return wished !== undefined && job.actions.includes(wished) ? wished : null;
}

/** What was done set the migration going; what support notes does not. */
function isOnItsWay(req: Request): boolean {
  return [...ACTIONS, 'start'].some((action) => action === req.query['done']);
}

/** What is mine: a supporter's and a domain admin's other rows have pages of their own. */
function ownOnly(sees: Visibility): Visibility {
  return { tenant: sees.tenant, all: false, mailboxes: sees.mailboxes, domains: [] };
}

function listOf(who: Principal, job: JobView, t: (key: string) => string, url: (path: string) => string) {
  if (who.role === 'support') return { label: t('job.backAdmin'), href: url('/admin') };
  if (who.role === 'domain-admin' && !who.mailboxes.includes(job.mailbox))
    return { label: t('job.backAdmin'), href: url(`/domains/${encodeURIComponent(job.domain)}`) };
  return { label: t('job.back'), href: url('/') };
}
