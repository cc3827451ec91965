import type { Security } from '../../mailbox/target.js';
import { childrenNamed, parseXml, textOf, type XmlElement, type XmlLimits } from '../xml.js';

/** Where an account may be read; nothing was signed in to. */
export interface Candidate {
  readonly host: string;
  readonly port: number;
  readonly security: Exclude<Security, 'none'>;
  readonly username: string;
}

export interface MailAddress {
  /** As typed, but for the domain. */
  readonly address: string;
  readonly local: string;
  /** Lower-case ASCII. */
  readonly domain: string;
}

/** Real documents have some 2 KiB and 60 elements. */
export const AUTOCONFIG_LIMITS: XmlLimits = { maxBytes: 128 * 1024, maxDepth: 16, maxElements: 1_000 };

const SOCKET_TYPES: Readonly<Record<string, Candidate['security']>> = { SSL: 'tls', STARTTLS: 'starttls' };

/**
 * The encrypted IMAP servers of a Mozilla autoconfig document (draft-ietf-mailmaint-autoconfig), in its order of preference.
 * @throws XmlError
 */
export function readAutoconfig(bytes: Uint8Array, who: MailAddress): Candidate[] {
  const root = parseXml(bytes, AUTOCONFIG_LIMITS);
  if (root.name !== 'clientConfig') return [];
  return childrenNamed(root, 'emailProvider')
    .flatMap((provider) => childrenNamed(provider, 'incomingServer'))
    .map((server) => candidateOf(server, who))
    .filter((candidate) => candidate !== null);
}

function candidateOf(server: XmlElement, who: MailAddress): Candidate | null {
  if (server.attributes.get('type')?.toLowerCase() !== 'imap') return null;
  const security = SOCKET_TYPES[textOf(server, 'socketType').toUpperCase()];
  const port = textOf(server, 'port');
  if (security === undefined || !/^\d{1,5}$/.test(port)) return null;
  const fill = (text: string): string =>
    text
      .replaceAll('%EMAILADDRESS%', who.address)
      .replaceAll('%EMAILLOCALPART%', who.local)
      .replaceAll('%EMAILDOMAIN%', who.domain);
  const username = fill(textOf(server, 'username'));
  return {
    host: fill(textOf(server, 'hostname')),
    port: Number(port),
    security,
    username: isUsername(username) ? username : who.address,
  };
}

/** A name to be shown for confirmation: short, of one line, with nothing left to fill in. */
function isUsername(text: string): boolean {
  return text.length > 0 && text.length <= 320 && !/[\u0000-\u001f\u007f%]/.test(text);
}
