import { randomUUID } from 'node:crypto';
import { Catch, HttpException, Inject, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { JobError } from '../jobs/contract.js';
import type { HostPanel } from '../panel/host-panel.js';
import { HOST_PANEL } from '../panel/options.js';
import type { Request, Response } from './http.js';
import { Renderer } from './render/renderer.js';
import { Site } from './site.js';
import { statusOf, WebError } from './web-error.js';

export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Codes of Node and Postgres that mean: the database is not there, try again. */
const AWAY = /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|ENOENT|ENOTFOUND|08\w{3}|57P0[1-3]|53300)$/;

/** Every error of our own routes, as JSON below /api and as a page elsewhere. What is not foreseen says nothing. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly log = new Logger('mailferry:web');

  constructor(
    private readonly site: Site,
    private readonly renderer: Renderer,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
  ) {}

  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    const req = host.switchToHttp().getRequest<Request>();
    const res = host.switchToHttp().getResponse<Response>();
    const problem = this.describe(error, req);
    if (res.headersSent) {
      res.end();
      return;
    }
    if (problem.status === 401) res.setHeader('WWW-Authenticate', 'Bearer realm="mailferry"');
    if (problem.status === 429) res.setHeader('Retry-After', '60');
    if (this.wantsJson(req)) {
      const { status, ...body } = problem;
      res.status(status).json({ error: body });
      return;
    }
    try {
      await this.page(req, res, problem);
    } catch (failure) {
      this.note(failure, req, 'error page');
      res.status(problem.status).type('text/plain').send(`${problem.message}\n`);
    }
  }

  private wantsJson(req: Request): boolean {
    return this.site.pathOf(req).startsWith('/api/') || req.accepts?.(['html', 'json']) === 'json';
  }

  private async page(req: Request, res: Response, problem: Problem): Promise<void> {
    const home = problem.status === 401 ? await this.panelHome() : null;
    const framed = req.headers['sec-fetch-dest'] === 'iframe';
    // In a frame the panel's own start page would appear inside the panel; there it is a link.
    if (problem.status === 401 && home !== null && !framed && (req.method === 'GET' || req.method === 'HEAD')) {
      res.redirect(303, home);
      return;
    }
    const known = this.renderer.words.has(`error.title.${problem.status}`);
    const html = await this.renderer.page(req, res, 'errors/problem', {
      title: this.renderer.t(req, `error.title.${known ? problem.status : 500}`),
      message: problem.status === 401 ? this.renderer.t(req, 'error.signIn') : problem.message,
      hint: null,
      icon: problem.status === 401 ? 'lock' : problem.status === 404 ? 'search' : 'alert',
      code: problem.status === 401 || problem.status === 404 ? null : problem.code,
      action:
        problem.status === 401
          ? home && { href: home, label: this.renderer.t(req, 'error.toPanel') }
          : { href: this.site.url('/'), label: this.renderer.t(req, 'error.home') },
    });
    res.status(problem.status).send(html);
  }

  private async panelHome(): Promise<string | null> {
    try {
      const url = (await this.panel.branding('')).homeUrl;
      return url !== undefined && /^(https?:\/\/|\/(?!\/))/i.test(url) ? url : null;
    } catch {
      return null;
    }
  }

  private describe(error: unknown, req: Request): Problem {
    if (error instanceof WebError || error instanceof JobError) {
      const { code, message, details } = error;
      return { status: statusOf(code), code, message, ...(details !== undefined && { details }) };
    }
    if (error instanceof HttpException) return ofHttp(error.getStatus());
    if (isAway(error)) {
      this.note(error, req, 'unavailable');
      return {
        status: 503,
        code: 'UNAVAILABLE',
        message: 'The service cannot reach its database right now. Nothing is lost; please try again in a moment.',
      };
    }
    const reference = this.note(error, req, 'failure');
    return {
      status: 500,
      code: 'INTERNAL',
      message: 'Something went wrong on our side. Please try again; if it stays, tell support the reference.',
      details: { reference },
    };
  }

  /** One line, whatever a name or an address held: JSON escapes line breaks and escape codes. */
  private note(error: unknown, req: Request, event: string): string {
    const reference = randomUUID();
    const { name, message, stack } = error instanceof Error ? error : { name: 'unknown', message: '', stack: '' };
    this.log.error(
      JSON.stringify({
        event,
        reference,
        method: req.method,
        path: withoutToken(this.site.pathOf(req)),
        name,
        message,
        stack,
      }),
    );
    return reference;
  }
}

/** A link's token is as good as the link. */
function withoutToken(path: string): string {
  return path.replace(/^\/links\/.*/, '/links/…');
}

function ofHttp(status: number): Problem {
  switch (status) {
    case 401:
      return { status, code: 'UNAUTHENTICATED', message: 'Please sign in first.' };
    case 403:
      return { status, code: 'FORBIDDEN', message: 'Your account may not do this.' };
    case 404:
      return { status, code: 'NOT_FOUND', message: 'There is nothing here.' };
    case 405:
      return { status, code: 'METHOD_NOT_ALLOWED', message: 'This cannot be done here.' };
    case 413:
      return { status, code: 'TOO_LARGE', message: 'The request is too large.' };
    case 429:
      return { status, code: 'RATE_LIMITED', message: 'There were too many requests. Please wait a while.' };
    default:
      return status < 500
        ? { status, code: 'MALFORMED', message: 'The request is not right.' }
        : { status, code: 'INTERNAL', message: 'Something went wrong on our side.' };
  }
}

function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const codes = [error, (error as { driverError?: unknown }).driverError].map(
    (one) => (one as { code?: unknown } | undefined)?.code,
  );
  return (
    codes.some((code) => typeof code === 'string' && AWAY.test(code)) ||
    /^(Connection terminated|timeout exceeded when trying to connect|Driver not Connected)/i.test(error.message)
  );
}
