import { Injectable } from '@nestjs/common';
import { namesMailbox } from '../jobs/admission.js';
import type { SourceSettings } from '../jobs/job.js';
import { isOfFiles } from '../jobs/settings.js';
import { parseHost } from '../mailbox/address.js';
import { systemResolve } from '../mailbox/resolve.js';
import type { DestinationGrant } from '../panel/host-panel.js';

/** Ports on which one server shows the same mailboxes. */
const IMAP_PORTS: readonly number[] = [143, 993];

/** Recognises a source that is the destination under another name: the same server by address, the same user by name. */
@Injectable()
export class SameMailbox {
  async suspects(source: SourceSettings, grant: DestinationGrant, mailbox: string): Promise<boolean> {
    if (isOfFiles(source)) return false;
    if (!namesMailbox(source.username, mailbox) && !namesMailbox(source.username, loginOf(grant))) return false;
    for (const theirs of placesOf(source))
      for (const ours of placesOfGrant(grant)) if (await isSame(ours, theirs)) return true;
    return false;
  }
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** Where the old account is: its mail, and its calendars where they are named. */
function placesOf({ type, host, port, dav }: SourceSettings): Place[] {
  const named = dav === undefined ? [] : [placeOf(dav.url)];
  return type === 'dav' && named.length > 0 ? named : [{ host, port }, ...named];
}

function placesOfGrant({ endpoint, dav }: DestinationGrant): Place[] {
  return [endpoint, ...(dav === undefined ? [] : [placeOf(dav.url.replaceAll('{user}', 'user'))])];
}

function placeOf(address: string): Place {
  const { hostname, port, protocol } = new URL(address);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'http:' ? 80 : 443) };
}

async function isSame(ours: Place, theirs: Place): Promise<boolean> {
  const samePort = ours.port === theirs.port || (IMAP_PORTS.includes(ours.port) && IMAP_PORTS.includes(theirs.port));
  if (!samePort) return false;
  const [a, b] = await Promise.all([addresses(ours.host), addresses(theirs.host)]);
  return a.some((address) => b.includes(address));
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
