import type { ConnectPolicy } from '../protocols/connect.js';
import type { Destination } from './destination.js';
import type { ResolvedGrant } from './grant.js';
import { ImapDestination } from './imap/imap-destination.js';

export interface HostedMailboxOptions {
  /** Asked again for every connection, so that a grant that was taken back ends the work. */
  readonly grant: () => Promise<ResolvedGrant>;
  readonly policy: ConnectPolicy;
  readonly maxConnections?: number;
  readonly openDeadlineMs?: number;
}

/** The new mailbox with all it holds, as one destination. It takes mail by IMAP. */
export function hostedMailbox(options: HostedMailboxOptions): Destination {
  return new ImapDestination(options);
}
