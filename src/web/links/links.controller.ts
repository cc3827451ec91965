import { Get, Param, Post, Req, Res } from '@nestjs/common';
import { Inject } from '@nestjs/common';
import type { LinksApi, LinkLook } from '../../jobs/password-links.js';
import { Access } from '../auth/access.decorator.js';
import { assertBody } from '../body.middleware.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { PASSWORD_LINKS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { MAX_PASSWORD } from '../wizard/checks.js';

const STATUS: Readonly<Record<Exclude<LinkLook['is'], 'open'>, number>> = {
  unknown: 404,
  used: 410,
  expired: 410,
  needless: 200,
};

/**
 * Where a link for a password leads. Whoever holds it needs no account here: he types one password, for one migration,
 * once. Opening the page changes nothing.
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
    await this.form(req, res, 200, found, token, null);
  }

  @Post(':token')
  @Access('page.link')
  async take(@Param('token') token: string, @Req() req: Request, @Res() res: Response): Promise<void> {
    assertBody(req);
    const { password } = (req.body ?? {}) as { password?: unknown };
    const found = await this.links.look(token);
    if (found.is !== 'open') return this.over(req, res, found.is);
    const t = (key: string): string => this.renderer.t(req, key);
    if (typeof password !== 'string' || password === '')
      return this.form(req, res, 422, found, token, t('connection.errors.passwordMissing'));
    if (password.length > MAX_PASSWORD || /[\u0000-\u001f\u007f]/.test(password))
      return this.form(req, res, 422, found, token, t('connection.errors.passwordInvalid'));
    const outcome = await this.links.redeem(token, password, req.ip ?? '');
    if (outcome.is === 'refused') {
      const key = `support.link.refused.${outcome.code}`;
      const sentence = t(this.renderer.words.has(key) ? key : 'support.link.refused.OTHER');
      return this.form(req, res, 422, found, token, sentence);
    }
    if (outcome.is !== 'done') return this.over(req, res, outcome.is === 'open' ? 'used' : outcome.is);
    await this.page(req, res, 200, {
      title: t('support.link.doneTitle'),
      message: t(outcome.goesOn ? 'support.link.doneGoesOn' : 'support.link.done'),
      icon: 'check',
    });
  }

  private async form(
    req: Request,
    res: Response,
    status: number,
    view: Extract<LinkLook, { is: 'open' }>,
    token: string,
    error: string | null,
  ): Promise<void> {
    const html = await this.renderer.page(req, res, 'links/password', {
      title: this.renderer.t(req, 'support.link.title'),
      ...view,
      token,
      error,
    });
    res.status(status).send(html);
  }

  private over(req: Request, res: Response, why: Exclude<LinkLook['is'], 'open'>): Promise<void> {
    return this.page(req, res, STATUS[why], {
      title: this.renderer.t(req, `support.link.over.${why}.title`),
      message: this.renderer.t(req, `support.link.over.${why}.text`),
      icon: why === 'needless' ? 'check' : 'lock',
    });
  }

  private async page(
    req: Request,
    res: Response,
    status: number,
    model: { title: string; message: string; icon: string },
  ): Promise<void> {
    res.status(status).send(await this.renderer.page(req, res, 'links/over', model));
  }
}
