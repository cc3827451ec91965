import type { Actor } from '../jobs/contract.js';
import type { Principal } from '../panel/host-panel.js';
import type { Request } from './http.js';

/** How the person behind a request was recognised. */
export type IdentityKind = 'bearer' | 'cookie' | 'panel';

export interface Visitor {
  readonly principal: Principal;
  readonly actor: Actor;
  readonly by: IdentityKind;
  /** Binds CSRF tokens: the session for a cookie, the person for a panel's own session. Null for a Bearer token. */
  readonly csrfScope: string | null;
}

// Beside the request, not on it: the host's own code may look at req.user and must find its own.
const visitors = new WeakMap<object, Visitor>();

export function visitorOf(req: Request): Visitor | null {
  return visitors.get(req) ?? null;
}

export function setVisitor(req: Request, visitor: Visitor): void {
  visitors.set(req, visitor);
}
