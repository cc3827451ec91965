import { Injectable } from '@nestjs/common';
import { namesMailbox } from '../jobs/admission.js';
import type { SourceSettings } from '../jobs/job.js';
import { parseHost } from '../mailbox/address.js';
import { systemResolve } from '../mailbox/resolve.js';
import type { DestinationGrant } from '../panel/host-panel.js';

/** Ports on which one server shows the same mailboxes. */
const IMAP_PORTS: readonly number[] = [143, 993];

/** Recognises a source that is the destination under another name: the same server by address, the same user by name. */
@Injectable()
export class SameMailbox {
  async suspects(source: SourceSettings, grant: DestinationGrant, mailbox: string): Promise<boolean> {
    if (!namesMailbox(source.username, mailbox) && !namesMailbox(source.username, loginOf(grant))) return false;
    const { host, port } = grant.endpoint;
    const samePort = port === source.port || (IMAP_PORTS.includes(port) && IMAP_PORTS.includes(source.port));
    if (!samePort) return false;
    const [ours, theirs] = await Promise.all([addresses(host), addresses(source.host)]);
    return ours.some((address) => theirs.includes(address));
  }
}

function loginOf(grant: DestinationGrant): string {
  return grant.kind === 'imap-authzid' ? grant.authzid : grant.login.split(/[*%]/)[0]!;
}

async function addresses(host: string): Promise<readonly string[]> {
  const parsed = parseHost(host);
  if (parsed === null) return [];
  if (parsed.is === 'address') return [parsed.address];
  // A name that is not found is told when it is dialled.
  return systemResolve(parsed.name).catch(() => []);
}
