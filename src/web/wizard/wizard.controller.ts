import { Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { CONNECTION_TESTS_API, JOBS_API, UPLOADS_API } from '../tokens.js';
import type { Actor, ConnectionTestsApi, JobsApi, UploadsApi } from '../../jobs/contract.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import { idOf } from '../api/answer.js';
import { Access, Acting, TakesFiles, Who } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { WebController } from '../web-controller.js';
import { notFound } from '../web-error.js';
import type { FieldErrors } from './checks.js';
import { NewMigration } from './new-migration.js';
import { uploadOf } from '../body.middleware.js';
import { connectionPage } from './pages/connection.js';
import { submitFiles } from './pages/files.js';
import { pageOf } from './pages/index.js';
import { findProvider, type Say } from './provider-view.js';
import type { Problems, StepContext, StepPage, Submission } from './step-page.js';
import { NO_PROBLEMS } from './step-page.js';
import { blockedBy, nextStep, previousStep, STEPS, stepViews, type Step } from './steps.js';
import { readForm, type WizardForm } from './wizard-form.js';
import { bodyOf, field } from '../form-body.js';

/** Seconds after which a browser without JavaScript asks again how the test went. */
const TEST_REFRESH_SECONDS = 3;

/** The six steps at {base}/new. Each step is a page of its own; what was typed lies on the server. */
@WebController('new')
export class WizardController {
  constructor(
    @Inject(JOBS_API) private readonly jobs: JobsApi,
    @Inject(CONNECTION_TESTS_API) private readonly tests: ConnectionTestsApi,
    @Inject(UPLOADS_API) private readonly uploads: UploadsApi,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    private readonly start: NewMigration,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get()
  @Access('page.wizard')
  async choose(
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
  ): Promise<void> {
    await this.showChoice(req, res, who, actor, null);
  }

  @Post()
  @Access('page.wizard')
  async begin(@Req() req: Request, @Res() res: Response, @Who() who: Principal, @Acting() actor: Actor): Promise<void> {
    const begun = await this.start.begin(who, actor, field(bodyOf(req), 'mailbox'));
    if ('id' in begun) res.redirect(303, this.site.url(`/new/${begun.id}/type`));
    else await this.showChoice(req, res, who, actor, begun.problem);
  }

  @Get(':id')
  @Access('page.wizard')
  async resume(
    @Param('id') id: string,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
    @Req() req: Request,
  ): Promise<void> {
    const context = await this.context(req, who, actor, id);
    if (context === null) return res.redirect(303, this.site.url(`/jobs/${id}`));
    const open = STEPS.find(
      (step) => !context.form.done.includes(step) || blockedBy(nextStep(step), context.draft, context.form) !== null,
    );
    res.redirect(303, this.site.url(`/new/${id}/${open ?? 'review'}`));
  }

  @Post(':id/discard')
  @Access('page.wizard')
  async discard(@Param('id') id: string, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    if ((await this.jobs.draft(actor, idOf(id))) !== null) {
      await this.jobs.act(actor, id, 'cancel');
      await this.jobs.erase(actor, id);
    }
    res.redirect(303, this.site.url('/?done=discard'));
  }

  /** Step four where the source is files. They come while this runs. */
  @Post(':id/files')
  @Access('page.wizard')
  @TakesFiles()
  async upload(
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
  ): Promise<void> {
    const form = uploadOf(req);
    try {
      const context = await this.context(req, who, actor, id);
      if (context === null) return res.redirect(303, this.site.url(`/jobs/${id}`));
      const blocked = blockedBy('connection', context.draft, context.form);
      if (blocked !== null) return res.redirect(303, this.site.url(`/new/${id}/${blocked}`));
      await this.answer(req, res, connectionPage, context, await submitFiles(context, bodyOf(req), form));
    } finally {
      // A browser that is still sending does not listen.
      await form?.skip();
    }
  }

  /** Whoever loads the answer to an upload again. */
  @Get(':id/files')
  @Access('page.wizard')
  files(@Param('id') id: string, @Res() res: Response): void {
    res.redirect(303, this.site.url(`/new/${idOf(id)}/connection`));
  }

  @Get(':id/:step')
  @Access('page.wizard')
  async show(
    @Param('id') id: string,
    @Param('step') name: string,
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
  ): Promise<void> {
    const page = pageOf(name);
    const context = await this.context(req, who, actor, id);
    if (context === null) return res.redirect(303, this.site.url(`/jobs/${id}`));
    const blocked = blockedBy(page.id, context.draft, context.form);
    if (blocked !== null) return res.redirect(303, this.site.url(`/new/${id}/${blocked}?problem=NOT_TESTED`));
    if (page.id === 'type' && typeof req.query['about'] === 'string') {
      if (await this.about(req, res, context, req.query['about'])) return;
    }
    await this.render(req, res, 200, page, context, asked(req, page.id, this.renderer));
  }

  @Post(':id/:step')
  @Access('page.wizard')
  async submit(
    @Param('id') id: string,
    @Param('step') name: string,
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Acting() actor: Actor,
  ): Promise<void> {
    const page = pageOf(name);
    const context = await this.context(req, who, actor, id);
    if (context === null) return res.redirect(303, this.site.url(`/jobs/${id}`));
    const blocked = blockedBy(page.id, context.draft, context.form);
    if (blocked !== null) return res.redirect(303, this.site.url(`/new/${id}/${blocked}?problem=NOT_TESTED`));

    const body = bodyOf(req);
    const back = field(body, 'do') === 'back' ? previousStep(page.id) : null;
    if (back !== null) {
      if (page.keep) await this.jobs.patch(actor, id, { form: page.keep(context, body) });
      return res.redirect(303, this.site.url(`/new/${id}/${back}`));
    }
    await this.answer(req, res, page, context, await page.submit(context, body));
  }

  private async answer(
    req: Request,
    res: Response,
    page: StepPage,
    context: StepContext,
    answer: Submission,
  ): Promise<void> {
    const { id } = context.draft.job;
    if ('again' in answer) {
      const status = answer.status ?? (answer.problems.alert?.code === 'RATE_LIMITED' ? 429 : 422);
      // Read again: a refused step may have changed the draft before it was refused.
      const draft = (await this.jobs.draft(context.who, id)) ?? context.draft;
      return this.render(req, res, status, page, { ...context, draft, form: answer.again }, answer.problems);
    }
    if (answer.go === 'job') return res.redirect(303, this.site.url(`/jobs/${id}?done=start`));
    const about = answer.about === undefined ? '' : `?about=${encodeURIComponent(answer.about)}`;
    res.redirect(303, this.site.url(`/new/${id}/${answer.go}${about}`));
  }

  private async render(
    req: Request,
    res: Response,
    status: number,
    page: StepPage,
    context: StepContext,
    problems: Problems,
  ): Promise<void> {
    const { draft, form, provider } = context;
    const { id, mailbox } = draft.job;
    const view = await page.view(context);
    const errors = this.sentences(req, page, problems.errors);
    const title = this.renderer.t(req, `steps.${page.id}`);
    const html = await this.renderer.page(req, res, `wizard/${page.id}`, {
      title: problems === NO_PROBLEMS ? title : `${this.renderer.t(req, 'common.problem')}: ${title}`,
      section: 'home',
      ...(view['running'] === true && { refreshSeconds: TEST_REFRESH_SECONDS }),
      id,
      mailbox,
      form,
      provider,
      errors,
      errorCount: Object.values(errors).filter(Boolean).length,
      alert: problems.alert,
      refused: problems.refused ?? [],
      ...this.steps(req, page.id, context.draft, form),
      ...view,
    });
    res.status(status).send(html);
  }

  /** Why an unavailable provider is one. False: it is none, so there is nothing to explain. */
  private async about(req: Request, res: Response, context: StepContext, wanted: string): Promise<boolean> {
    const about = findProvider(wanted, context.say);
    if (about === null || about.available) return false;
    const html = await this.renderer.page(req, res, about.pop ? 'wizard/pop' : 'wizard/about', {
      title: about.name,
      section: 'home',
      id: context.draft.job.id,
      about,
      ...this.steps(req, 'type', context.draft, context.form),
    });
    res.send(html);
    return true;
  }

  private steps(req: Request, current: Step, draft: StepContext['draft'], form: WizardForm) {
    const steps = stepViews(current, this.site.url(`/new/${draft.job.id}`), draft, form);
    return {
      steps: steps.map((step) => ({ ...step, label: this.renderer.t(req, `steps.${step.id}`) })),
      current: STEPS.indexOf(current) + 1,
    };
  }

  /** One entry for each field of the page: its sentence or null. */
  private sentences(req: Request, page: StepPage, errors: FieldErrors): Record<string, string | null> {
    return Object.fromEntries(
      page.fields.map((name) => {
        const error = errors[name];
        if (error === undefined) return [name, null];
        return [name, 'text' in error ? error.text : this.renderer.t(req, error.key, error.values)];
      }),
    );
  }

  private async showChoice(
    req: Request,
    res: Response,
    who: Principal,
    actor: Actor,
    problem: string | null,
  ): Promise<void> {
    const html = await this.renderer.page(req, res, 'wizard/new', {
      title: this.renderer.t(req, 'new.title'),
      section: 'home',
      ...(await this.start.choice(who, actor)),
      error: problem === null ? null : this.renderer.t(req, problem),
    });
    res.status(problem === null ? 200 : 422).send(html);
  }

  /** Null: no draft any more. @throws WebError NOT_FOUND when it is nobody's, or somebody else's. */
  private async context(req: Request, principal: Principal, who: Actor, id: string): Promise<StepContext | null> {
    const draft = await this.jobs.draft(who, idOf(id));
    if (draft === null) {
      if ((await this.jobs.get(who.visibility, id)) !== null) return null;
      throw notFound();
    }
    if (draft.job.state !== 'draft') return null;
    const { jobs, tests, uploads, panel, options } = this;
    const say: Say = (key, fallback) => (this.renderer.words.has(key) ? this.renderer.t(req, key) : fallback);
    const form = readForm(draft);
    const provider = form.provider === '' ? null : findProvider(form.provider, say);
    return {
      jobs,
      tests,
      uploads,
      panel,
      options,
      who,
      principal,
      draft,
      form: provider ? form : { ...form, provider: '' },
      say,
      provider,
    };
  }
}

/** What an address says above the form: only that a step was closed. */
function asked(req: Request, step: Step, renderer: Renderer): Problems {
  if (req.query['problem'] !== 'NOT_TESTED' || (step !== 'test' && step !== 'connection')) return NO_PROBLEMS;
  return { errors: {}, alert: { code: null, message: renderer.t(req, 'problems.NOT_TESTED') } };
}
