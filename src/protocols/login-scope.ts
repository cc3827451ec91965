import { getDomain } from 'tldts';
import { parseHost } from '../mailbox/address.js';

/**
 * Whether the login may be sent there: to the host that was named, and to its neighbours under the same parent name, as
 * providers spread one account over several hosts (caldav.icloud.com and p42-caldav.icloud.com). Never to a stranger that
 * a redirect or an answer names, and never less encrypted than it began. A public suffix is nobody's parent: below co.uk or
 * synology.me everybody has a name (publicsuffix.org, with the suffixes that providers registered for their customers).
 */
export function mayReceiveLogin(url: URL, home: URL): boolean {
  if (url.origin === home.origin) return true;
  if (url.protocol !== home.protocol) return false;
  const there = url.hostname.toLowerCase();
  const named = home.hostname.toLowerCase();
  if (parseHost(there)?.is !== 'name' || parseHost(named)?.is !== 'name') return false;
  // Another port of the same host is another server, often somebody else's.
  if (there === named) return false;
  if (url.port !== home.port) return false;
  const domain = getDomain(named, { allowPrivateDomains: true });
  // The host is a public suffix itself.
  if (domain === null) return false;
  const parent = named === domain ? named : named.split('.').slice(1).join('.');
  return there === parent || there.endsWith(`.${parent}`);
}
