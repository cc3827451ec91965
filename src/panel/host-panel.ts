import type { ItemKind } from '../mailbox/kinds.js';

/** The version of this contract. A plugin's manifest names the range it works with. */
export const HOST_API_VERSION = '1.0.0';

export type Role = 'user' | 'domain-admin' | 'support';
export type Permission = 'migration.own' | 'migration.domain' | 'migration.all' | 'migration.replaceExisting';

/** Who is at the keyboard, as the panel says it at this moment. */
export interface Principal {
  readonly sub: string;
  readonly tenantId: string;
  readonly role: Role;
  readonly domains: readonly string[];
  readonly mailboxes: readonly string[];
  /** Who acts, where support acts for a customer. */
  readonly actor?: string;
  /** Where the panel knows him from, in its own words: handed back to it by `currentPrincipal`. */
  readonly origin?: string;
  /** BCP 47. */
  readonly locale: string;
  /** What to call the person on the page. */
  readonly name?: string;
}

export interface MailboxRef {
  readonly tenantId: string;
  /** The address, lower case. */
  readonly address: string;
}
export interface Mailbox extends MailboxRef {
  readonly domain: string;
  readonly name?: string;
}
export interface Page {
  /** From 1. */
  readonly page: number;
  readonly perPage: number;
  readonly q?: string;
}
export interface Paged<T> {
  readonly items: readonly T[];
  readonly total: number;
  /** True: the panel opens more than it can list (`getMailbox` says of each); absent: the list is whole. */
  readonly partial?: boolean;
}

export interface SecretRef {
  reveal(): Promise<string>;
}
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly security: 'tls' | 'starttls' | 'none';
  /** PEM of the certificate authority, for a hoster's private one. */
  readonly ca?: string;
  /** Lower-case hex SHA-256 of the one certificate that is accepted although it cannot be checked. */
  readonly caFingerprint?: string;
}
export interface DavEndpoint {
  readonly url: string;
  readonly ca?: string;
}
/**
 * How to get into the new mailbox. `user-secret` with a null secret: the customer types it, and it is kept sealed
 * with the job.
 */
export type DestinationGrant = { readonly grantId: string; readonly expiresAt: Date; readonly dav?: DavEndpoint } & (
  | {
      readonly kind: 'imap-authzid';
      readonly endpoint: Endpoint;
      readonly authcid: string;
      readonly secret: SecretRef;
      readonly authzid: string;
    }
  | { readonly kind: 'imap-composite'; readonly endpoint: Endpoint; readonly login: string; readonly secret: SecretRef }
  | {
      readonly kind: 'user-secret';
      readonly endpoint: Endpoint;
      readonly login: string;
      readonly secret: SecretRef | null;
    }
);

/** What happens to one migration. */
export type JobNotice = 'started' | 'needs-action' | 'finished' | 'failed';
/**
 * `invitation`: data has `link`, by which the person gives the password of his old account, and when it ends.
 * `batch-progress`: the numbers of a batch; `batch-needs-action`:
 * it has stopped, or does not end, before somebody does something. A panel leaves out what it does not know.
 */
export type NotifyTemplate = JobNotice | 'invitation' | 'batch-progress' | 'batch-needs-action';
export type SafeText = Readonly<Record<string, string>>;
export interface AuditEvent {
  readonly at: Date;
  readonly tenantId: string;
  /** Who did it. */
  readonly sub: string;
  readonly actor?: string;
  /** e.g. job.start, job.cancel, credentials.erased. */
  readonly action: string;
  readonly jobId?: string;
  readonly mailbox?: string;
  readonly ip?: string;
  readonly detail?: SafeText;
}
export interface Branding {
  readonly name: string;
  readonly logoUrl?: string;
  /** CSS colour. */
  readonly accent?: string;
  /** Where "back to mail settings" goes. */
  readonly homeUrl?: string;
  readonly supportUrl?: string;
}

/** What a control panel implements to take Mailferry in. Asked again at every request and start; never cached. */
export interface HostPanel {
  readonly apiVersion: string;
  /** The panel's own session, read from the request it received (an Express request). Null: nobody is signed in. */
  resolveIdentity(request: unknown): Promise<Principal | null>;
  /** The person as the panel knows them now, for identities that came by token. Null: no longer known. */
  currentPrincipal(claimed: Principal): Promise<Principal | null>;
  can(who: Principal, permission: Permission, mailbox?: MailboxRef): Promise<boolean>;
  listMailboxes(who: Principal, domain: string, page: Page): Promise<Paged<Mailbox>>;
  /** Null: never open it. */
  getMailbox(ref: MailboxRef): Promise<Mailbox | null>;
  openDestination(
    ref: MailboxRef,
    why: { jobId: string; actor: string; kinds: readonly ItemKind[] },
  ): Promise<DestinationGrant>;
  closeDestination(grantId: string): Promise<void>;
  quota(ref: MailboxRef): Promise<{ usedBytes: number; limitBytes: number | null; maxMessageBytes?: number } | null>;
  /**
   * Called by a worker, and again after a while when it fails: at least once for each.
   * @param to the address of a mailbox; of what is about a batch the `sub` of whoever made it, and `data.address` is a
   * mailbox of his, where `currentPrincipal` names one.
   */
  notify(to: string, template: NotifyTemplate, data: SafeText): Promise<void>;
  /** If it fails, dangerous actions stop. */
  audit(event: AuditEvent): Promise<void>;
  branding(tenantId: string): Promise<Branding>;
}
