import type { Destination } from '../destinations/destination.js';
import type { ResolvedGrant } from '../destinations/grant.js';
import { hostedMailbox } from '../destinations/hosted-mailbox.js';
import { reasonFor } from '../jobs/messages.js';
import type { ItemKind } from '../mailbox/kinds.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { DestinationGrant } from '../panel/host-panel.js';
import type { ConnectPolicy } from '../protocols/connect.js';
import type { ProtocolTrace } from '../protocols/trace.js';

/** The hoster's own servers, named by his panel and not by the person at the keyboard: any address, any port. */
const POLICY: ConnectPolicy = { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs: 20_000 };

/** The write side of one mailbox at the hoster's. The secret is revealed anew for each connection. */
export function openHostedMailbox(
  grant: () => Promise<DestinationGrant>,
  maxConnections: number,
  trace?: ProtocolTrace,
  kinds: readonly ItemKind[] = ['mail'],
): Destination {
  const policy = trace === undefined ? POLICY : { ...POLICY, trace };
  return hostedMailbox({ grant: async () => revealed(await grant()), policy, kinds, maxConnections });
}

async function revealed(grant: DestinationGrant): Promise<ResolvedGrant> {
  const { endpoint } = grant;
  const common = { endpoint, ...(grant.dav === undefined ? {} : { dav: grant.dav }) };
  const password = await reveal(grant);
  return grant.kind === 'imap-authzid'
    ? { ...common, kind: grant.kind, authcid: grant.authcid, authzid: grant.authzid, password }
    : { ...common, kind: grant.kind, login: grant.login, password };
}

async function reveal({ secret }: DestinationGrant): Promise<string> {
  if (secret === null) throw refused('CREDENTIALS_REQUIRED', 'user');
  try {
    return await secret.reveal();
  } catch {
    throw refused('DESTINATION_UNAVAILABLE', 'later');
  }
}

function refused(code: string, retry: 'user' | 'later'): TransferError {
  return new TransferError(reasonFor(code).message, { side: 'destination', scope: 'account', retry, code });
}
