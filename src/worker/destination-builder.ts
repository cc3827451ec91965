import type { Destination } from '../destinations/destination.js';
import type { DestinationGrant } from '../panel/host-panel.js';

/** The write side of one mailbox at the hoster's. */
export function openHostedMailbox(_grant: () => Promise<DestinationGrant>): Destination {
  throw new Error('the hosted mailbox is not built in yet');
}
