import type { HostPanel, Principal } from '../panel/host-panel.js';
import type { Visibility } from './contract.js';

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

function lower(text: string): string {
  return text.toLowerCase();
}

export interface Whose {
  readonly tenant: string;
  readonly mailbox: string;
  readonly domain: string;
}

export function isVisible({ tenant, all, mailboxes, domains }: Visibility, whose: Whose): boolean {
  return tenant === whose.tenant && (all || mailboxes.includes(whose.mailbox) || domains.includes(whose.domain));
}

/** The same as SQL over `jobs j`. The parameters are appended to `params`. */
export function visibleSql({ tenant, all, mailboxes, domains }: Visibility, params: unknown[]): string {
  const tenantAt = params.push(tenant);
  if (all) return `j.tenant = $${tenantAt}`;
  const mailboxesAt = params.push(mailboxes);
  const domainsAt = params.push(domains);
  return `j.tenant = $${tenantAt} AND (j.mailbox = ANY($${mailboxesAt}) OR j.domain = ANY($${domainsAt}))`;
}
