import type { Actor, Visibility } from '../../jobs/contract.js';
import type { Principal } from '../../panel/host-panel.js';
import type { Request } from '../http.js';

export function actorOf(who: Principal, visibility: Visibility, req: Request): Actor {
  const ip = req.ip ?? req.socket.remoteAddress;
  return {
    sub: who.sub,
    tenant: who.tenantId,
    ...(who.actor !== undefined && { actor: who.actor }),
    ...(ip !== undefined && { ip }),
    visibility,
    principal: who,
  };
}
