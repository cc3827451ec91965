import type {
  AuditEvent,
  Branding,
  DestinationGrant,
  HostPanel,
  Mailbox,
  MailboxRef,
  Page,
  Paged,
  Permission,
  Principal,
} from '../../src/panel/host-panel.js';
import { HOST_API_VERSION } from '../../src/panel/host-panel.js';

export const TENANT = 't1';
export const ALICE: Principal = {
  sub: 'alice',
  tenantId: TENANT,
  role: 'user',
  domains: [],
  mailboxes: ['alice@new.test'],
  locale: 'en',
  name: 'Alice',
};
export const BOB: Principal = { ...ALICE, sub: 'bob', mailboxes: ['bob@new.test'], name: 'Bob' };
export const DORA: Principal = {
  ...ALICE,
  sub: 'dora',
  role: 'domain-admin',
  domains: ['new.test'],
  mailboxes: [],
  name: 'Dora',
};
export const SAM: Principal = { ...ALICE, sub: 'sam', role: 'support', mailboxes: [], name: 'Sam' };
export const PEOPLE: readonly Principal[] = [ALICE, BOB, DORA, SAM];

/** Header by which a test says who has the panel's own session. */
export const PANEL_USER = 'x-test-panel-user';

/** A control panel in memory. `people` is what it knows now; change it in the middle of a test. */
export class FakePanel implements HostPanel {
  readonly apiVersion = HOST_API_VERSION;
  readonly people = new Map(PEOPLE.map((person) => [person.sub, person]));
  readonly forbidden = new Set<Permission>();
  readonly audited: AuditEvent[] = [];
  brand: Branding = { name: 'Example Hosting' };

  async resolveIdentity(request: unknown): Promise<Principal | null> {
    const sub = (request as { headers: Record<string, string | undefined> }).headers[PANEL_USER];
    return sub === undefined ? null : (this.people.get(sub) ?? null);
  }
  async currentPrincipal(claimed: Principal): Promise<Principal | null> {
    return this.people.get(claimed.sub) ?? null;
  }
  async can(who: Principal, permission: Permission): Promise<boolean> {
    if (this.forbidden.has(permission)) return false;
    if (permission === 'migration.domain') return who.role === 'domain-admin';
    if (permission === 'migration.all') return who.role === 'support';
    return true;
  }
  async listMailboxes(_who: Principal, domain: string, { page, perPage }: Page): Promise<Paged<Mailbox>> {
    const all = PEOPLE.flatMap(({ mailboxes }) => mailboxes).filter((address) => address.endsWith(`@${domain}`));
    const items = all
      .slice((page - 1) * perPage, page * perPage)
      .map((address) => ({ tenantId: TENANT, address, domain }));
    return { items, total: all.length };
  }
  async getMailbox({ tenantId, address }: MailboxRef): Promise<Mailbox | null> {
    const known = PEOPLE.some(({ mailboxes }) => mailboxes.includes(address));
    return known ? { tenantId, address, domain: address.slice(address.indexOf('@') + 1) } : null;
  }
  openDestination(): Promise<DestinationGrant> {
    return Promise.reject(new Error('the web half never opens a destination'));
  }
  async closeDestination(): Promise<void> {}
  async quota(): Promise<null> {
    return null;
  }
  async notify(): Promise<void> {}
  async audit(event: AuditEvent): Promise<void> {
    this.audited.push(event);
  }
  async branding(): Promise<Branding> {
    return this.brand;
  }
}
