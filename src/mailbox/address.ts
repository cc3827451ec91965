import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** What a person typed as a host, understood: an address in its one canonical spelling, or a lower-case ASCII name. */
export type Host =
  { readonly is: 'address'; readonly address: string } | { readonly is: 'name'; readonly name: string };

/** RFC 1035 section 2.3.4, without the root's dot. */
const MAX_NAME = 253;
/** Underscores are no host name (RFC 952), but some hosters have them. */
const NAME = /^(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*$/;
/** Blanks, control characters, and whatever would mean something else than a host in a URL. */
const NEVER_IN_HOST = /[\u0000-\u0020\u007f/\\?#@%<>^|`{}]/;

/**
 * Reads a host as the C library and browsers would, so that no spelling of an address is taken for a name:
 * `127.1`, `0x7f000001`, `2130706433`, `0177.0.0.1`, `0`, full-width digits, brackets, a trailing dot. Null: no host at
 * all; an address with a zone id is none, since it can only be on this machine's own network.
 */
export function parseHost(text: string): Host | null {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > MAX_NAME + 2 || NEVER_IN_HOST.test(trimmed)) return null;
  const bare = trimmed.startsWith('[') && trimmed.endsWith(']') ? trimmed.slice(1, -1) : trimmed;
  if (bare.includes(':')) return isIP(bare) === 6 ? { is: 'address', address: canonical(ipaddr.parse(bare)) } : null;
  if (bare !== trimmed) return null;
  let hostname: string;
  try {
    // The WHATWG host parser: IDNA, then every IPv4 spelling inet_aton knows; throws on '1.2.3.4.5' and the like.
    hostname = new URL(`http://${bare}/`).hostname;
  } catch {
    return null;
  }
  if (isIP(hostname) === 4) return { is: 'address', address: hostname };
  const name = hostname.replace(/\.$/, '');
  return name.length <= MAX_NAME && NAME.test(name) ? { is: 'name', name } : null;
}

/** Names that are this machine whatever a name server says (RFC 6761 section 6.3). */
export function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/** An IPv4 address inside an IPv6 one becomes the IPv4 address: the kernel would dial that. */
function canonical(ip: ipaddr.IPv4 | ipaddr.IPv6): string {
  return ip instanceof ipaddr.IPv6 && ip.isIPv4MappedAddress() ? ip.toIPv4Address().toString() : ip.toString();
}

/** The one spelling of an address as a resolver gave it; null when it is none, or has a zone id. */
export function canonicalAddress(address: string): string | null {
  return isIP(address) === 0 || address.includes('%') ? null : canonical(ipaddr.parse(address));
}

/** RFC 6052 section 2.1: what DNS64 makes of a public IPv4 address, so it may stand for one. */
const NAT64 = ipaddr.parseCIDR('64:ff9b::/96') as [ipaddr.IPv6, number];
/** RFC 4291 section 2.4: the only block public unicast addresses are given from. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3') as [ipaddr.IPv6, number];

/**
 * Whether a canonical address is public unicast. Forms that hold an IPv4 address: v4-mapped ones are that address,
 * NAT64's well-known prefix and ISATAP count as what they hold, and all others (6to4, Teredo, IPv4-compatible, the
 * local NAT64 block) are refused whatever they hold: no mail server lives there.
 */
export function isPublicAddress(address: string): boolean {
  const known = canonicalAddress(address);
  if (known === null) return false;
  const ip = ipaddr.parse(known);
  if (ip instanceof ipaddr.IPv4) return ip.range() === 'unicast';
  if (ip.match(NAT64)) return isPublicV4(ip);
  if (isIsatap(ip) && !isPublicV4(ip)) return false;
  return ip.match(GLOBAL_UNICAST) && ip.range() === 'unicast';
}

function isPublicV4(holder: ipaddr.IPv6): boolean {
  return new ipaddr.IPv4(holder.toByteArray().slice(12)).range() === 'unicast';
}

/** RFC 5214 section 6.1: interface identifiers 0000:5efe and 0200:5efe. */
function isIsatap(ip: ipaddr.IPv6): boolean {
  return (ip.parts[4]! & ~0x0200) === 0 && ip.parts[5] === 0x5efe;
}

/** Whether a setting is a range such as '10.0.0.0/8' or 'fd00::/8'. */
export function isRange(text: string): boolean {
  return ipaddr.isValidCIDR(text);
}

/** @throws Error when a range is no CIDR: a wrong setting must stop the start, not open a hole. */
export function isInRanges(address: string, ranges: readonly string[]): boolean {
  const known = canonicalAddress(address);
  if (known === null) return false;
  const ip = ipaddr.parse(known);
  return ranges.some((range) => {
    const [network, bits] = ipaddr.parseCIDR(range);
    return network.kind() === ip.kind() && ip.match(network, bits);
  });
}
