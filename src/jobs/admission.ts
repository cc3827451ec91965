import { Inject, Injectable } from '@nestjs/common';
import { parseHost } from '../mailbox/address.js';
import { systemResolve } from '../mailbox/resolve.js';
import { refuseTarget, type Target } from '../mailbox/target.js';
import type { HostPanel, Mailbox, MailboxRef, Permission } from '../panel/host-panel.js';
import { inTime } from '../panel/in-time.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { JobError, type Actor } from './contract.js';
import type { SourceSettings } from './job.js';
import { wordsFor } from './messages.js';

/** A panel that does not answer in this time (ms) is away. */
const PANEL_MS = 10_000;

/** What must hold before anything is dialled for somebody. Asked anew each time; nothing is remembered. */
@Injectable()
export class Admission {
  constructor(
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  /** The panel's word on the new mailbox. @throws JobError DESTINATION_MISSING, DESTINATION_UNAVAILABLE */
  async mailbox(ref: MailboxRef): Promise<Mailbox> {
    let mailbox: Mailbox | null;
    try {
      mailbox = await inTime(() => this.panel.getMailbox(ref), PANEL_MS);
    } catch {
      throw jobError('DESTINATION_UNAVAILABLE');
    }
    if (mailbox === null) throw jobError('DESTINATION_MISSING');
    return mailbox;
  }

  /** @throws JobError TARGET_NOT_ALLOWED, PORT_NOT_ALLOWED, TLS_REQUIRED, VALIDATION */
  async target(source: SourceSettings): Promise<void> {
    for (const target of targetsOf(source)) {
      const refusal = await refuseTarget(target, this.options.egress, systemResolve);
      if (refusal !== null) throw new JobError(refusal.code, refusal.message);
    }
  }

  /** @throws JobError SAME_MAILBOX */
  notItself(source: SourceSettings, mailbox: string): void {
    const host = spelling(source.host);
    const ours = this.options.destinationHosts.some((name) => spelling(name) === host);
    if (ours && namesMailbox(source.username, mailbox)) throw jobError('SAME_MAILBOX');
  }

  /**
   * The panel's word on whether this person may do this now.
   * @throws JobError FORBIDDEN
   */
  async may(who: Actor, ref: MailboxRef, domain: string, replace: boolean): Promise<void> {
    const { principal, visibility } = who;
    if (principal === undefined) {
      if (replace) throw jobError('FORBIDDEN');
      return;
    }
    const scope: Permission = visibility.mailboxes.includes(ref.address)
      ? 'migration.own'
      : visibility.domains.includes(domain)
        ? 'migration.domain'
        : 'migration.all';
    const wanted: Permission[] = replace ? [scope, 'migration.replaceExisting'] : [scope];
    for (const permission of wanted) {
      let can: boolean;
      try {
        can = await inTime(() => this.panel.can(principal, permission, ref), PANEL_MS);
      } catch {
        throw jobError('DESTINATION_UNAVAILABLE');
      }
      if (!can) throw jobError('FORBIDDEN');
    }
  }
}

/** Every server that the settings name: each is checked like the first. */
function targetsOf(source: SourceSettings): Target[] {
  const urls = [source.dav, source.ews].flatMap((named) => (named === undefined ? [] : [new URL(named.url)]));
  return [
    source,
    ...urls.map(({ protocol, hostname, port }): Target => {
      const secure = protocol === 'https:';
      return { host: hostname, port: Number(port) || (secure ? 443 : 80), security: secure ? 'tls' : 'none' };
    }),
  ];
}

/**
 * Whether a user name at the destination's own server means this mailbox: the address in any case, its local part, or
 * either in a composite login.
 */
export function namesMailbox(username: string, mailbox: string): boolean {
  const name = username
    .trim()
    .toLowerCase()
    .split(/[*%\\]/)[0]!;
  const address = mailbox.toLowerCase();
  return name === address || name === address.slice(0, address.lastIndexOf('@'));
}

export function jobError(code: string, details?: Readonly<Record<string, unknown>>): JobError {
  return new JobError(code, wordsFor(code).message, details);
}

function spelling(host: string): string {
  const parsed = parseHost(host);
  if (parsed === null) return host.toLowerCase();
  return parsed.is === 'address' ? parsed.address : parsed.name;
}
