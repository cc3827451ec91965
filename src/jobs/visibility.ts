import type { Visibility } from './contract.js';

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
