import type { Principal } from '../panel/host-panel.js';
import type { Settings } from './settings.js';
import type { Subject } from './store.js';

/** Tenant of everybody who names no other. */
export const DEFAULT_TENANT = 'default';

export interface SandboxPerson {
  readonly name: string;
  readonly title: string;
  readonly does: string;
  readonly principal: Principal;
}

export const SANDBOX_DOMAIN = 'new.test';

const person = (
  sub: string,
  title: string,
  does: string,
  rest: Pick<Principal, 'role' | 'domains' | 'mailboxes'>,
): SandboxPerson => ({
  name: sub,
  title,
  does,
  principal: { sub, tenantId: DEFAULT_TENANT, origin: 'sandbox', locale: 'en', name: title, ...rest },
});

/** Whom the sandbox's first page offers. */
export const SANDBOX_PEOPLE: readonly SandboxPerson[] = [
  person('alice', 'Alice, a customer', 'moves her own mailbox', {
    role: 'user',
    domains: [],
    mailboxes: [`alice@${SANDBOX_DOMAIN}`],
  }),
  person('dora', 'Dora, admin of a domain', 'moves all mailboxes of her domain', {
    role: 'domain-admin',
    domains: [SANDBOX_DOMAIN],
    mailboxes: [`dora@${SANDBOX_DOMAIN}`],
  }),
  person('sam', 'Sam, support', 'sees every migration and mends it', { role: 'support', domains: [], mailboxes: [] }),
];

/** Who signed in at our own pages, read from what was made of him then. Null: he came by a token. */
export function subjectOf({ origin, sub }: Principal): Subject | null {
  switch (origin) {
    case 'account':
    case 'sandbox':
      return { kind: origin, name: sub };
    case 'mailbox':
      return { kind: origin, address: sub };
    default:
      return null;
  }
}

/**
 * What the person may be at this moment. Null: no longer known (an account taken out of the settings, a sandbox that is
 * none any more).
 */
export function principalOf(subject: Subject, settings: Settings, sandbox: boolean): Principal | null {
  if (subject.kind === 'sandbox')
    return sandbox ? (SANDBOX_PEOPLE.find((one) => one.name === subject.name)?.principal ?? null) : null;
  if (subject.kind === 'mailbox')
    return {
      sub: subject.address,
      tenantId: DEFAULT_TENANT,
      origin: 'mailbox',
      role: 'user',
      domains: [],
      mailboxes: [subject.address],
      locale: 'en',
      name: subject.address,
    };
  const account = settings.accounts.find((one) => one.name.toLowerCase() === subject.name.toLowerCase());
  if (!account) return null;
  return {
    sub: account.name,
    tenantId: account.tenant ?? DEFAULT_TENANT,
    origin: 'account',
    role: account.role,
    domains: (account.domains ?? []).map((domain) => domain.toLowerCase()),
    mailboxes: (account.mailboxes ?? []).map((address) => address.toLowerCase()),
    locale: 'en',
    name: account.displayName ?? account.name,
  };
}
