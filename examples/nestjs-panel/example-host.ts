import type { Request } from 'express';
import {
  HOST_API_VERSION,
  type AuditEvent,
  type Branding,
  type DestinationGrant,
  type HostPanel,
  type Mailbox,
  type MailboxRef,
  type Page,
  type Paged,
  type Permission,
  type Principal,
} from '../../src/index.js';

/** How long a grant to open a mailbox lasts (ms). */
const GRANT_MS = 15 * 60 * 1000;

export interface HostedMailServer {
  readonly host: string;
  readonly port: number;
  readonly ca?: string;
  readonly master: string;
  readonly masterPassword: string;
}

/** A HostPanel for the example panel: people are named by a cookie, each owns the mailbox of the same name. */
export class ExampleHost implements HostPanel {
  readonly apiVersion = HOST_API_VERSION;
  readonly audited: AuditEvent[] = [];
  private grants = 0;

  constructor(
    private readonly domain: string,
    private readonly server: HostedMailServer,
  ) {}

  async resolveIdentity(request: unknown): Promise<Principal | null> {
    const name = /(?:^|;\s*)panel-user=([a-z0-9]+)/.exec((request as Request).headers.cookie ?? '')?.[1];
    if (!name) return null;
    return {
      sub: name,
      tenantId: 'example',
      role: 'user',
      domains: [],
      mailboxes: [`${name}@${this.domain}`],
      locale: 'en',
    };
  }

  async currentPrincipal(claimed: Principal): Promise<Principal | null> {
    return claimed;
  }

  async can(who: Principal, permission: Permission, mailbox?: MailboxRef): Promise<boolean> {
    return permission === 'migration.own' && (!mailbox || who.mailboxes.includes(mailbox.address));
  }

  async listMailboxes(who: Principal, domain: string, page: Page): Promise<Paged<Mailbox>> {
    const items = who.mailboxes
      .filter((address) => address.endsWith(`@${domain}`))
      .map((address) => this.mailbox(address));
    return { items: items.slice((page.page - 1) * page.perPage, page.page * page.perPage), total: items.length };
  }

  async getMailbox(ref: MailboxRef): Promise<Mailbox | null> {
    return ref.address.endsWith(`@${this.domain}`) ? this.mailbox(ref.address) : null;
  }

  async openDestination(ref: MailboxRef): Promise<DestinationGrant> {
    const { host, port, ca, master, masterPassword } = this.server;
    return {
      kind: 'imap-authzid',
      grantId: String(++this.grants),
      expiresAt: new Date(Date.now() + GRANT_MS),
      endpoint: { host, port, security: 'tls', ...(ca ? { ca } : {}) },
      authcid: master,
      authzid: ref.address,
      secret: { reveal: async () => masterPassword },
    };
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
    return { name: 'Example panel', homeUrl: '/' };
  }

  private mailbox(address: string): Mailbox {
    return { tenantId: 'example', address, domain: this.domain };
  }
}
