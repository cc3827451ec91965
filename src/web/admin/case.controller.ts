import { Inject, Param, Post, Req, Res } from '@nestjs/common';
import { JobError, type Actor, type JobsApi, type LinkAction, type LinksApi } from '../../jobs/contract.js';
import type { JobAction, JobFilters, JobView, SourceSettings } from '../../jobs/job.js';
import type { SupportApi } from '../../support/contract.js';
import { idOf } from '../api/answer.js';
import { Access, Acting } from '../auth/access.decorator.js';
import { bodyOf, field } from '../form-body.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { JOBS_API, PASSWORD_LINKS_API, SUPPORT_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { notFound, statusOf } from '../web-error.js';
import { BYTES_PER_MEGABYTE, parseFolderLines } from '../wizard/wizard-form.js';

/** What support does to one migration, beyond what its owner may. */
@WebController('admin/jobs')
export class CaseController {
  constructor(
    @Inject(JOBS_API) private readonly jobs: JobsApi,
    @Inject(SUPPORT_API) private readonly support: SupportApi,
    @Inject(PASSWORD_LINKS_API) private readonly links: LinksApi,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Post(':id/note')
  @Access('page.admin.act')
  async note(@Param('id') id: string, @Req() req: Request, @Res() res: Response, @Acting() who: Actor): Promise<void> {
    const handled = textOf(req, 'handled') === '1';
    await this.done(res, id, handled ? 'handled' : 'note', () =>
      this.support.note(who, idOf(id), textOf(req, 'note'), handled),
    );
  }

  @Post(':id/log')
  @Access('page.admin.act')
  async keepLog(@Param('id') id: string, @Res() res: Response, @Acting() who: Actor): Promise<void> {
    await this.done(res, id, 'log', () => this.support.askLog(who, idOf(id)));
  }

  @Post(':id/leave-out')
  @Access('page.admin.act')
  async leaveOut(
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() who: Actor,
  ): Promise<void> {
    await this.done(res, id, 'leftOut', () =>
      this.support.leaveOut(who, idOf(id), textOf(req, 'code'), textOf(req, 'reason')),
    );
  }

  @Post(':id/settings')
  @Access('page.admin.act')
  async settings(
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Acting() who: Actor,
  ): Promise<void> {
    const job = await this.find(who, id);
    await this.done(res, id, 'settings', async () => {
      await this.jobs.patch(who, id, { source: sourceFrom(req, job), filters: filtersFrom(req, job) });
      const then = (['resume', 'retry'] as const).find((action) => action === textOf(req, 'then'));
      if (then !== undefined) await this.jobs.act(who, id, then);
    });
  }

  /** The link is shown once, here; the worker has the panel send it. It is stored nowhere. */
  @Post(':id/link')
  @Access('page.admin.act')
  async link(@Param('id') id: string, @Req() req: Request, @Res() res: Response, @Acting() who: Actor): Promise<void> {
    const job = await this.find(who, id);
    // Nobody's own password is asked for there: the jobs room would refuse it.
    if (job.source.login !== undefined) return res.redirect(303, this.site.url(`/jobs/${id}?problem=BATCH_LOGIN`));
    const { token, expiresAt } = await this.links.make(who, id, followUp(job));
    const link = this.site.handOn(req, `/links/${token}`);
    const html = await this.renderer.page(req, res, 'admin/link', {
      title: this.renderer.t(req, 'support.link.madeTitle'),
      section: 'admin',
      job,
      link,
      expiresAt: expiresAt.toISOString(),
    });
    res.send(html);
  }

  private async done(res: Response, id: string, what: string, work: () => Promise<unknown>): Promise<void> {
    let said = `?done=${what}`;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof JobError) || statusOf(error.code) === 404) throw error;
      said = `?problem=${encodeURIComponent(error.code)}`;
    }
    res.redirect(303, this.site.url(`/jobs/${id}${said}`));
  }

  private async find(who: Actor, id: string): Promise<JobView> {
    const job = await this.jobs.get(who.visibility, idOf(id));
    if (job === null) throw notFound();
    return job;
  }
}

/** What goes on once the password is there. */
function followUp(job: JobView): LinkAction | null {
  const wished: readonly JobAction[] = ['resume', 'retry'];
  return (wished.find((action) => job.actions.includes(action)) as LinkAction | undefined) ?? null;
}

/** The server as typed, everything else as it was; what is wrong the jobs room says. */
function sourceFrom(req: Request, { source }: JobView): SourceSettings {
  const host = textOf(req, 'host') || source.host;
  const security = (['tls', 'starttls', 'none'] as const).find((one) => one === textOf(req, 'security'));
  const port = /^\d{1,5}$/.test(textOf(req, 'port')) ? Number(textOf(req, 'port')) : source.port;
  const { caFingerprint, ...rest } = source;
  // An exception for one certificate holds for the server it was made for.
  const pinned = host === source.host && caFingerprint !== undefined ? { caFingerprint } : {};
  return { ...rest, ...pinned, host, port, security: security ?? source.security };
}

function filtersFrom(req: Request, { filters }: JobView): JobFilters {
  const exclude = parseFolderLines(textOf(req, 'exclude'), filters.excludeFolders ?? []);
  const megabytes = Number(textOf(req, 'maxMegabytes').replace(',', '.'));
  return {
    ...(filters.since === undefined ? {} : { since: filters.since }),
    ...(exclude.length > 0 && { excludeFolders: exclude }),
    ...(megabytes > 0 && { maxItemBytes: Math.round(megabytes * BYTES_PER_MEGABYTE) }),
  };
}

function textOf(req: Request, name: string): string {
  return field(bodyOf(req), name);
}
