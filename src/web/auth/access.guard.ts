import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import { HOST_PANEL } from '../../panel/options.js';
import { assertBody, beginUpload, readLargeBody, uploadOf } from '../body.middleware.js';
import type { Request, Response } from '../http.js';
import { setVisitor, type Visitor } from '../visitor.js';
import { WebError } from '../web-error.js';
import { ACCESS_KEY, LARGE_BODY_KEY, UPLOAD_KEY } from './access.decorator.js';
import { ACCESS, type AccessName, type Decision } from './access-table.js';
import { csrfMatches, WebKeys } from './csrf.js';
import { Identity } from './identity.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Stands before every route of ours, and of nobody else: who is it, may he, and did he mean it. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly identity: Identity,
    private readonly keys: WebKeys,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const name = this.reflector.getAllAndOverride<AccessName | undefined>(ACCESS_KEY, [
      context.getHandler(),
      context.getClass(),
    ]);
    const decision: Decision | undefined = name === undefined ? undefined : ACCESS[name];
    if (decision === undefined) throw new Error('a route without a decision in the access table');
    const req = context.switchToHttp().getRequest<Request>();
    if (decision.who === 'public') return true;

    const visitor = await this.identity.visitor(req);
    if (visitor === null) throw new WebError('UNAUTHENTICATED', 'Please sign in first.');
    // Even a refusal is shown in the person's language.
    setVisitor(req, visitor);
    await this.allowed(decision.roles, visitor.principal);
    const large = this.reflector.get<boolean | undefined>(LARGE_BODY_KEY, context.getHandler()) === true;
    if (large) await readLargeBody(req);
    if (this.reflector.get<boolean | undefined>(UPLOAD_KEY, context.getHandler()) === true) {
      await beginUpload(req, context.switchToHttp().getResponse<Response>());
      try {
        this.meant(req, visitor);
      } catch (error) {
        await uploadOf(req)?.skip();
        throw error;
      }
    }
    assertBody(req);
    this.meant(req, visitor);
    return true;
  }

  private async allowed(roles: Extract<Decision, { who: 'people' }>['roles'], who: Principal): Promise<void> {
    const permission = roles[who.role];
    if (permission === undefined || !(await this.panel.can(who, permission)))
      throw new WebError('FORBIDDEN', 'Your account may not do this.');
  }

  /** A change must come from our own page: SameSite=Lax, the browser's own word, and a token the page was given. */
  private meant(req: Request, { csrfScope }: Visitor): void {
    if (SAFE_METHODS.has(req.method) || csrfScope === null) return;
    if (req.headers['sec-fetch-site'] === 'cross-site') throw refused();
    const body = req.body as unknown;
    const field = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)['_csrf'] : undefined;
    if (!csrfMatches(this.keys.csrf, csrfScope, field ?? req.headers['x-csrf-token'])) throw refused();
  }
}

function refused(): WebError {
  return new WebError(
    'CSRF',
    'This form is too old or did not come from our page. Go back, reload the page, and try again.',
  );
}
