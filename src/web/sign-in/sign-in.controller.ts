import { Body, Inject, Logger, Post, Req, Res } from '@nestjs/common';
import type { HostPanel } from '../../panel/host-panel.js';
import { HOST_PANEL } from '../../panel/options.js';
import { Access } from '../auth/access.decorator.js';
import { clearSessionCookie, readSessionCookie, setSessionCookie } from '../auth/cookies.js';
import { csrfMatches, WebKeys } from '../auth/csrf.js';
import { SESSION_MS, SESSION_STORE, sessionId, type SessionStore } from '../auth/session-store.js';
import { SSO_AUDIENCE, TokenRefused, Tokens } from '../auth/tokens.js';
import { assertBody } from '../body.middleware.js';
import type { Request, Response } from '../http.js';
import { Site } from '../site.js';
import { WebController } from '../web-controller.js';
import { WebError } from '../web-error.js';

/** A panel's page signs a token and submits it here; the browser gets a session of ours (PANEL.md). */
@WebController()
export class SignInController {
  private readonly log = new Logger('mailferry:auth');

  constructor(
    private readonly site: Site,
    private readonly tokens: Tokens,
    private readonly keys: WebKeys,
    @Inject(SESSION_STORE) private readonly sessions: SessionStore,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
  ) {}

  @Post('sign-in')
  @Access('sign-in')
  async signIn(@Body() body: unknown, @Req() req: Request, @Res() res: Response): Promise<void> {
    assertBody(req);
    const { token, to } = (body ?? {}) as { token?: unknown; to?: unknown };
    if (typeof token !== 'string') throw refused();
    const https = this.site.isHttps(req);
    try {
      const { principal, issuer, jti, expiresAt } = await this.tokens.verify(token, SSO_AUDIENCE);
      // Asked first: a token of somebody unknown is not used up for nothing.
      const current = await this.panel.currentPrincipal(principal);
      if (current === null) throw new TokenRefused('unknown person');
      if (!(await this.sessions.useToken(issuer, jti, expiresAt))) throw new TokenRefused('used before');
      const before = readSessionCookie(req, https);
      if (before !== null) await this.sessions.close(before);
      // What was signed is kept, not what the panel says now: it is asked again at every request.
      setSessionCookie(res, https, await this.sessions.open(principal), SESSION_MS);
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      this.log.warn(error.message);
      throw refused();
    }
    res.redirect(303, this.site.url(inside(to)));
  }

  /** Public, because a session that is over may still be signed out; the token shows that our own page asked. */
  @Post('sign-out')
  @Access('sign-out')
  async signOut(@Body() body: unknown, @Req() req: Request, @Res() res: Response): Promise<void> {
    assertBody(req);
    const https = this.site.isHttps(req);
    const secret = readSessionCookie(req, https);
    if (secret !== null) {
      const field = (body as { _csrf?: unknown } | undefined)?._csrf ?? req.headers['x-csrf-token'];
      if (!csrfMatches(this.keys.csrf, `session:${sessionId(secret).toString('base64url')}`, field))
        throw new WebError('CSRF', 'This form is too old. Go back, reload the page, and try again.');
      await this.sessions.close(secret);
      clearSessionCookie(res, https);
    }
    const { homeUrl } = await this.panel.branding('').catch(() => ({ homeUrl: undefined }));
    res.redirect(303, homeUrl !== undefined && /^(https?:\/\/|\/(?!\/))/i.test(homeUrl) ? homeUrl : this.site.url('/'));
  }
}

/** A page of ours to go to; anything that could lead elsewhere is our start page. */
function inside(to: unknown): string {
  return typeof to === 'string' && /^\/[A-Za-z0-9/_.~@-]*$/.test(to) && !to.startsWith('//') && !to.includes('..')
    ? to
    : '/';
}

function refused(): WebError {
  return new WebError(
    'UNAUTHENTICATED',
    'This sign-in is not valid any more. Open the page from your control panel again.',
  );
}
