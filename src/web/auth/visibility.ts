import type { Actor, Visibility } from '../../jobs/contract.js';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import type { Request } from '../http.js';

/** What somebody may see, by the panel's word at this moment. A role alone gives nothing. */
export async function visibilityOf(panel: HostPanel, who: Principal): Promise<Visibility> {
  const [own, domain, all] = await Promise.all([
    panel.can(who, 'migration.own'),
    who.role === 'domain-admin' ? panel.can(who, 'migration.domain') : false,
    who.role === 'support' ? panel.can(who, 'migration.all') : false,
  ]);
  return {
    tenant: who.tenantId,
    all,
    mailboxes: own ? who.mailboxes.map(lower) : [],
    domains: domain ? who.domains.map(lower) : [],
  };
}

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

function lower(text: string): string {
  return text.toLowerCase();
}
