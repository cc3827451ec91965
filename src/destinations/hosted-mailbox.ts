import { TransferError } from '../mailbox/transfer-error.js';
import type { ItemKind } from '../mailbox/kinds.js';
import type { ConnectPolicy } from '../protocols/connect.js';
import { CombinedDestination } from './combined-destination.js';
import { DavDestination } from './dav/dav-destination.js';
import type { DavAccess } from './dav/open-account.js';
import type { Destination } from './destination.js';
import type { ResolvedGrant } from './grant.js';
import { ImapDestination } from './imap/imap-destination.js';

export interface HostedMailboxOptions {
  /** Asked again for every connection, so that a grant that was taken back ends the work. */
  readonly grant: () => Promise<ResolvedGrant>;
  readonly policy: ConnectPolicy;
  /** What will be written: only what that needs is connected. Default: mail. */
  readonly kinds?: readonly ItemKind[];
  readonly maxConnections?: number;
  readonly openDeadlineMs?: number;
}

/** The new mailbox with all it holds, as one destination: mail by IMAP, the rest by CalDAV and CardDAV where the hoster has them. */
export function hostedMailbox(options: HostedMailboxOptions): Destination {
  const { grant, policy, kinds = ['mail'] } = options;
  if (kinds.every((kind) => kind === 'mail')) return new ImapDestination(options);
  return new CombinedDestination({
    kinds,
    mail: new ImapDestination(options),
    owner: async () => ownerOf(await grant()),
    openDav: async () =>
      davAccess(await grant()) === null
        ? null
        : new DavDestination({
            policy,
            access: async () => davAccess(await grant()) ?? noLonger(),
          }),
  });
}

/**
 * Null: the hoster names no such server, or his administrator would come into his own calendars instead of the owner's because the
 * address does not name the owner ('{user}').
 */
function davAccess(grant: ResolvedGrant): DavAccess | null {
  const { dav, password } = grant;
  if (dav === undefined) return null;
  const named = dav.url.includes('{user}');
  if (grant.kind === 'imap-authzid' && !named) return null;
  const owner = grant.kind === 'imap-authzid' ? grant.authzid : grant.login;
  return {
    url: new URL(dav.url.replaceAll('{user}', () => encodeURIComponent(owner))),
    login: { kind: 'password', user: grant.kind === 'imap-authzid' ? grant.authcid : grant.login, password },
    ...(dav.ca === undefined ? {} : { ca: dav.ca }),
    ...(grant.kind === 'imap-authzid' ? { owner } : {}),
  };
}

/** Without the administrator of a composite name. */
function ownerOf(grant: ResolvedGrant): string {
  return grant.kind === 'imap-authzid' ? grant.authzid : grant.login.split(/[*%]/)[0]!;
}

function noLonger(): never {
  throw new TransferError('The new mailbox cannot be reached at the moment.', {
    side: 'destination',
    scope: 'account',
    retry: 'later',
    code: 'DESTINATION_UNAVAILABLE',
  });
}
