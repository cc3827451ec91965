import { Inject, Injectable, Logger } from '@nestjs/common';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import { HOST_PANEL } from '../../panel/options.js';
import type { Request } from '../http.js';
import { Site } from '../site.js';
import type { IdentityKind, Visitor } from '../visitor.js';
import { readSessionCookie } from './cookies.js';
import { SESSION_STORE, sessionId, type SessionStore } from './session-store.js';
import { API_AUDIENCE, TokenRefused, Tokens } from './tokens.js';
import { visibilityOf } from '../../jobs/visibility.js';
import { actorOf } from './actor.js';

/**
 * Who is behind a request: an API token, our own session, or the panel's session. No header that a proxy or a browser
 * could set by itself says anything here.
 */
@Injectable()
export class Identity {
  private readonly log = new Logger('mailferry:auth');

  constructor(
    private readonly site: Site,
    private readonly tokens: Tokens,
    @Inject(SESSION_STORE) private readonly sessions: SessionStore,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
  ) {}

  /** Null: nobody, or nobody any more. Roles and mailboxes are the panel's at this moment, not the token's. */
  async visitor(req: Request): Promise<Visitor | null> {
    const bearer = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
    // Whoever sends a token means it: a bad one is not made good by a cookie that happens to come along.
    if (bearer !== undefined) return this.make(req, 'bearer', null, await this.byToken(bearer));

    const secret = readSessionCookie(req, this.site.isHttps(req));
    const session = secret === null ? null : await this.bySession(secret);
    if (secret !== null && session !== null)
      return this.make(req, 'cookie', `session:${sessionId(secret).toString('base64url')}`, session);

    const here = await this.panel.resolveIdentity(req);
    return this.make(req, 'panel', here === null ? null : JSON.stringify(['panel', here.tenantId, here.sub]), here);
  }

  private async byToken(token: string): Promise<Principal | null> {
    try {
      const { principal } = await this.tokens.verify(token, API_AUDIENCE);
      return await this.panel.currentPrincipal(principal);
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      this.log.debug(error.message);
      return null;
    }
  }

  private async bySession(secret: string): Promise<Principal | null> {
    const claimed = await this.sessions.find(secret);
    if (claimed === null) return null;
    const current = await this.panel.currentPrincipal(claimed);
    if (current === null) await this.sessions.close(secret);
    return current;
  }

  private async make(
    req: Request,
    by: IdentityKind,
    csrfScope: string | null,
    principal: Principal | null,
  ): Promise<Visitor | null> {
    if (principal === null) return null;
    const visibility = await visibilityOf(this.panel, principal);
    return { principal, by, csrfScope, actor: actorOf(principal, visibility, req) };
  }
}
