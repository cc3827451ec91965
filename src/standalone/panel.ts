import { randomUUID } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compositeLogin } from '../mailbox/composite-login.js';
import { Logger } from '@nestjs/common';
import {
  HOST_API_VERSION,
  type AuditEvent,
  type Branding,
  type DestinationGrant,
  type Endpoint,
  type HostPanel,
  type Mailbox,
  type MailboxRef,
  type NotifyTemplate,
  type Page,
  type Paged,
  type Permission,
  type Principal,
  type SafeText,
  type SecretRef,
} from '../panel/host-panel.js';
import { Mailer } from './mail/mailer.js';
import { letterFor } from './mail/notices.js';
import { DEFAULT_TENANT, principalOf, SANDBOX_DOMAIN, SANDBOX_PEOPLE, subjectOf } from './people.js';
import { readCookie } from './session-cookie.js';
import type { DestinationSettings, SecretSetting, Settings } from './settings.js';
import type { StandaloneStore } from './store.js';

export const SESSION_COOKIE = 'mailferry-panel';
/** How long a grant counts; it is asked again on every connection (ms). */
const GRANT_MS = 10 * 60_000;
/** What must not stand in an address that becomes part of a login (SECURITY: destination). */
const UNSAFE_LOGIN = /[*%\\/\x00-\x20\x7f]/;
const ADDRESS = /^[^\s@]+@[^\s@]+$/;
/** Mailboxes the sandbox's hoster has, beside its people's own. */
export const SANDBOX_MAILBOXES = ['alice', 'bob', 'carol', 'dora'].map((name) => `${name}@${SANDBOX_DOMAIN}`);

export interface StandalonePanelOptions {
  readonly settings: Settings;
  /** The configured one, or the sandbox's. Null: none, so nothing can be opened. */
  readonly destination: DestinationSettings | null;
  readonly sandbox: boolean;
  readonly store: StandaloneStore;
}

/** The panel of hosters whose own panel is not written in NestJS: people, mailboxes and the way into them come from the settings. */
export class StandalonePanel implements HostPanel {
  readonly apiVersion = HOST_API_VERSION;
  readonly https: boolean;

  private readonly logger = new Logger('mailferry:panel');
  private readonly mailer: Mailer | null;

  constructor(private readonly options: StandalonePanelOptions) {
    this.mailer = options.settings.smtp === null ? null : new Mailer(options.settings.smtp);
    this.https = options.settings.publicUrl?.startsWith('https:') ?? false;
  }

  async resolveIdentity(request: unknown): Promise<Principal | null> {
    const secret = readCookie(request, SESSION_COOKIE, this.https);
    const subject = secret === null ? null : await this.options.store.findSession(secret);
    return subject === null ? null : principalOf(subject, this.options.settings, this.options.sandbox);
  }

  /**
   * Who signed in here is what the settings say of him now. Else a trusted issuer vouches for the person and for what he
   * names: his mailboxes and domains are known from then on, but for a domain that was taken out of the settings.
   */
  async currentPrincipal(claimed: Principal): Promise<Principal | null> {
    const subject = subjectOf(claimed);
    if (subject !== null) return principalOf(subject, this.options.settings, this.options.sandbox);
    const tenantId = claimed.tenantId || DEFAULT_TENANT;
    const mailboxes = claimed.mailboxes.map((address) => address.toLowerCase());
    const domains: string[] = [];
    for (const domain of claimed.domains.map((name) => name.toLowerCase()))
      if (!(await this.isTakenOut(tenantId, domain))) domains.push(domain);
    await this.options.store.tell(tenantId, 'mailbox', mailboxes);
    await this.options.store.tell(tenantId, 'domain', domains);
    return { ...claimed, tenantId, mailboxes, domains };
  }

  async can(who: Principal, permission: Permission, mailbox?: MailboxRef): Promise<boolean> {
    if (mailbox && !mayOpen(who, mailbox)) return false;
    switch (permission) {
      case 'migration.own':
      case 'migration.replaceExisting':
        return true;
      case 'migration.domain':
        return who.role === 'domain-admin' || who.role === 'support';
      case 'migration.all':
        return who.role === 'support';
    }
  }

  async listMailboxes(who: Principal, domain: string, page: Page): Promise<Paged<Mailbox>> {
    const wanted = domain.toLowerCase();
    if (who.role !== 'support' && !who.domains.includes(wanted)) return { items: [], total: 0 };
    const known = await this.options.store.mailboxesOf(who.tenantId, wanted);
    const fixed = this.options.sandbox ? SANDBOX_MAILBOXES.filter((address) => domainOf(address) === wanted) : [];
    const q = page.q?.toLowerCase() ?? '';
    const all = [...new Set([...fixed, ...known])].filter((address) => address.includes(q)).sort();
    const items = all
      .slice((page.page - 1) * page.perPage, page.page * page.perPage)
      .map((address) => ({ tenantId: who.tenantId, address, domain: wanted }));
    // Any mailbox of a known domain can be opened; listed are those that somebody named.
    return { items, total: all.length, partial: true };
  }

  async getMailbox(ref: MailboxRef): Promise<Mailbox | null> {
    const address = ref.address.toLowerCase();
    if (!ADDRESS.test(address) || UNSAFE_LOGIN.test(address) || this.options.destination === null) return null;
    const domain = domainOf(address);
    const mailbox = { tenantId: ref.tenantId, address, domain };
    if (ref.tenantId === DEFAULT_TENANT && this.signInDomains.includes(domain)) return mailbox;
    if (await this.isTakenOut(ref.tenantId, domain)) return null;
    return (await this.options.store.knows(ref.tenantId, address)) ? mailbox : null;
  }

  async openDestination(ref: MailboxRef): Promise<DestinationGrant> {
    const { destination } = this.options;
    const mailbox = await this.getMailbox(ref);
    if (destination === null || mailbox === null) throw new Error('this mailbox may not be opened');
    const { imap, dav, access } = destination;
    const security = imap.security ?? 'tls';
    const ca = await authority(imap.caFile);
    const endpoint: Endpoint = {
      host: imap.host,
      port: imap.port ?? (security === 'tls' ? 993 : 143),
      security,
      ...(ca ? { ca } : {}),
    };
    const davCa = await authority(dav?.caFile);
    const base = {
      grantId: randomUUID(),
      expiresAt: new Date(Date.now() + GRANT_MS),
      endpoint,
      ...(dav ? { dav: { url: dav.url, ...(davCa ? { ca: davCa } : {}) } } : {}),
    };
    switch (access.kind) {
      case 'imap-authzid':
        return {
          ...base,
          kind: access.kind,
          authcid: access.authcid,
          authzid: mailbox.address,
          secret: secretOf(access),
        };
      case 'imap-composite': {
        const login = compositeLogin(access.loginTemplate, mailbox.address, access.admin);
        return { ...base, kind: access.kind, login, secret: secretOf(access) };
      }
      case 'user-secret':
        return { ...base, kind: access.kind, login: mailbox.address, secret: null };
    }
  }

  async closeDestination(): Promise<void> {
    // A grant here is a right to sign in; there is nothing to take back.
  }

  /** The destination's own QUOTA answer says it better. */
  async quota(): Promise<null> {
    return null;
  }

  /** By mail where a mail server is configured and the receiver is an address; else a line of the log. */
  async notify(to: string, template: NotifyTemplate, data: SafeText): Promise<void> {
    const { publicUrl, basePath } = this.options.settings;
    const address = [to, data['address'] ?? ''].find((one) => ADDRESS.test(one) && !UNSAFE_LOGIN.test(one));
    if (this.mailer !== null && address !== undefined)
      return this.mailer.send(
        address,
        letterFor(template, data, publicUrl === null ? null : `${publicUrl}${basePath}`),
      );
    const { jobId, batchId, code } = data;
    this.logger.log(JSON.stringify({ event: 'notice', notice: template, to, jobId, batchId, code }));
  }

  /** One JSON line an event, beside the plugin's own table. */
  async audit(event: AuditEvent): Promise<void> {
    const file = join(this.options.settings.dataDir, 'audit.log');
    await appendFile(file, `${JSON.stringify(event)}\n`, { mode: 0o600 });
  }

  async branding(): Promise<Branding> {
    const { name = 'Mailferry', ...rest } = this.options.settings.branding;
    return { name, ...rest, homeUrl: '/mail-settings' };
  }

  /** Domains whose mailboxes may sign in with their own password; none: any the destination accepts. */
  get signInDomains(): readonly string[] {
    return (this.options.destination?.domains ?? []).map((domain) => domain.toLowerCase());
  }

  /** Of the settings' domains, one that stood there and does not any more: it is nobody's, whoever vouches for it. */
  private async isTakenOut(tenant: string, domain: string): Promise<boolean> {
    const { store } = this.options;
    const now = this.signInDomains;
    if (tenant !== DEFAULT_TENANT || now.length === 0) return false;
    await store.tell(tenant, 'configured', now);
    return !now.includes(domain) && (await store.wasConfigured(tenant, domain));
  }

  /** People of the sandbox's first page; none outside it. */
  get people(): typeof SANDBOX_PEOPLE {
    return this.options.sandbox ? SANDBOX_PEOPLE : [];
  }
}

function mayOpen(who: Principal, mailbox: MailboxRef): boolean {
  if (mailbox.tenantId !== who.tenantId) return false;
  const address = mailbox.address.toLowerCase();
  if (who.role === 'support' || who.mailboxes.includes(address)) return true;
  return who.role === 'domain-admin' && who.domains.includes(domainOf(address));
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

/** Read when it is needed, so that a changed file or variable counts at once and nothing keeps it in memory. */
function secretOf(from: SecretSetting): SecretRef {
  return {
    async reveal() {
      if (from.secretFile) return (await readFile(from.secretFile, 'utf8')).replace(/\r?\n$/, '');
      const value = process.env[from.secretEnv ?? ''];
      if (!value) throw new Error(`the environment variable ${from.secretEnv} is not set`);
      return value;
    },
  };
}

async function authority(file: string | undefined): Promise<string | null> {
  return file ? await readFile(file, 'utf8') : null;
}
