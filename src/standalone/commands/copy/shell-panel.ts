import { randomUUID } from 'node:crypto';
import {
  HOST_API_VERSION,
  type DestinationGrant,
  type HostPanel,
  type Mailbox,
  type MailboxRef,
} from '../../../panel/host-panel.js';
import type { Side } from './wish.js';

/** Tenant of what is copied from a shell: nobody who signs in anywhere belongs to it. */
export const SHELL_TENANT = 'shell';
const GRANT_MS = 10 * 60_000;

/** A panel with one mailbox, the one of --to; whoever types the command has its password. */
export class ShellPanel implements HostPanel {
  readonly apiVersion = HOST_API_VERSION;

  constructor(
    private readonly to: Side,
    private readonly password: string,
    /** The mailbox as the job names it. */
    private readonly address: string,
  ) {}

  async getMailbox(ref: MailboxRef): Promise<Mailbox | null> {
    return ref.address === this.address ? { ...ref, domain: this.to.host } : null;
  }

  async openDestination(): Promise<DestinationGrant> {
    const { host, port, security, ca, caFingerprint, user, admin, dav } = this.to;
    const common = {
      grantId: randomUUID(),
      expiresAt: new Date(Date.now() + GRANT_MS),
      endpoint: { host, port, security, ...(ca ? { ca } : {}), ...(caFingerprint ? { caFingerprint } : {}) },
      secret: { reveal: () => Promise.resolve(this.password) },
      ...(dav === undefined ? {} : { dav: { url: dav, ...(ca ? { ca } : {}) } }),
    };
    return admin === undefined
      ? { ...common, kind: 'user-secret', login: user }
      : { ...common, kind: 'imap-authzid', authcid: admin, authzid: user };
  }

  async closeDestination(): Promise<void> {
    // A grant here is the right to sign in; there is nothing to take back.
  }
  async resolveIdentity(): Promise<null> {
    return null;
  }
  async currentPrincipal(): Promise<null> {
    return null;
  }
  async can(): Promise<boolean> {
    return false;
  }
  async listMailboxes(): Promise<{ items: []; total: 0 }> {
    return { items: [], total: 0 };
  }
  async quota(): Promise<null> {
    return null;
  }
  async notify(): Promise<void> {
    // Whoever typed the command is looking at it.
  }
  async audit(): Promise<void> {
    // The plugin's own table has it.
  }
  async branding(): Promise<{ name: string }> {
    return { name: 'Mailferry' };
  }
}
