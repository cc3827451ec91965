import { Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { LinkOver, LinksApi, LinkView } from '../../jobs/contract.js';
import { Access } from '../auth/access.decorator.js';
import { assertBody } from '../body.middleware.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { PASSWORD_LINKS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { isPassword } from '../wizard/checks.js';
import { bodyOf, field, secretField } from '../form-body.js';

const STATUS: Readonly<Record<LinkOver, number>> = { unknown: 404, used: 410, expired: 410, needless: 200 };
/** Codes that are about the password of the new mailbox. */
const OF_DESTINATION: readonly string[] = ['DESTINATION_AUTH_FAILED'];

interface Problems {
  readonly error: string | null;
  readonly destinationError: string | null;
}

/**
 * Where a link for a password leads. Whoever holds it needs no account here: he types what one migration waits for, once.
 * Opening the page changes nothing.
 */
@WebController('links')
export class LinksController {
  constructor(
    @Inject(PASSWORD_LINKS_API) private readonly links: LinksApi,
    private readonly renderer: Renderer,
  ) {}

  @Get(':token')
  @Access('page.link')
  async ask(@Param('token') token: string, @Req() req: Request, @Res() res: Response): Promise<void> {
    const found = await this.links.look(token);
    if (found.is !== 'open') return this.over(req, res, found.is);
    await this.form(req, res, 200, found, token, { error: null, destinationError: null });
  }

  @Post(':token')
  @Access('page.link')
  async take(@Param('token') token: string, @Req() req: Request, @Res() res: Response): Promise<void> {
    assertBody(req);
    const found = await this.links.look(token);
    if (found.is !== 'open') return this.over(req, res, found.is);
    const password = secretField(bodyOf(req), 'password');
    const destination = secretField(bodyOf(req), 'destinationPassword');
    const problems: Problems = {
      error: this.wrong(req, password, 'connection.errors.passwordMissing'),
      destinationError: found.asksDestination
        ? this.wrong(req, destination, 'connection.errors.destinationPasswordMissing')
        : null,
    };
    if (problems.error !== null || problems.destinationError !== null)
      return this.form(req, res, 422, found, token, problems);
    const secrets = { password, seen: field(bodyOf(req), 'seen'), ...(found.asksDestination && { destination }) };
    const outcome = await this.links.redeem(token, secrets, req.ip ?? req.socket.remoteAddress ?? '');
    if (outcome.is === 'refused') {
      // As it is now: it may name another server than the one it was typed for.
      const now = await this.links.look(token);
      return now.is === 'open' ? this.refused(req, res, now, token, outcome.code) : this.over(req, res, now.is);
    }
    if (outcome.is !== 'done') return this.over(req, res, outcome.is);
    await this.page(req, res, 200, outcome.goesOn ? 'goesOn' : 'done', 'check');
  }

  private wrong(req: Request, password: string, missing: string): string | null {
    if (password === '') return this.renderer.t(req, missing);
    return isPassword(password) ? null : this.renderer.t(req, 'connection.errors.passwordInvalid');
  }

  private refused(req: Request, res: Response, view: LinkView, token: string, code: string): Promise<void> {
    const key = `link.refused.${code}`;
    const sentence = this.renderer.t(req, this.renderer.words.has(key) ? key : 'link.refused.OTHER');
    const ofDestination = OF_DESTINATION.includes(code);
    return this.form(req, res, code === 'RATE_LIMITED' ? 429 : 422, view, token, {
      error: ofDestination ? null : sentence,
      destinationError: ofDestination ? sentence : null,
    });
  }

  private async form(
    req: Request,
    res: Response,
    status: number,
    account: LinkView,
    token: string,
    problems: Problems,
  ): Promise<void> {
    const title = this.renderer.t(req, 'link.title');
    await this.send(req, res, status, 'links/password', { title, account, token, ...problems });
  }

  /** Who has no link that works learns nothing about whose it was. */
  private over(req: Request, res: Response, why: LinkOver): Promise<void> {
    return this.page(req, res, STATUS[why], why, why === 'needless' ? 'check' : 'lock');
  }

  private page(req: Request, res: Response, status: number, what: string, icon: string): Promise<void> {
    const [title, message] = ['title', 'text'].map((key) => this.renderer.t(req, `link.${what}.${key}`));
    return this.send(req, res, status, 'links/over', { title: title!, message, icon });
  }

  private async send(
    req: Request,
    res: Response,
    status: number,
    view: string,
    model: { readonly title: string } & Readonly<Record<string, unknown>>,
  ): Promise<void> {
    // The address is the key: it must not lie in a cache nor go to another site.
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('Referrer-Policy', 'no-referrer');
    res.status(status).send(await this.renderer.page(req, res, view, model));
  }
}
