import type { AuthCode } from './provider.js';
import { providerFor, providerOfHost } from './registry.js';

export interface AuthRefusal {
  /** Id of the chosen provider, if one was. */
  readonly provider?: string;
  /** The server that was asked. */
  readonly host: string;
  /** Response code of the tagged answer, without brackets (RFC 5530), if there was one. */
  readonly code?: string;
  /** What the server said. */
  readonly text: string;
}

interface Sign {
  readonly means: AuthCode;
  readonly says: RegExp;
}

/** What servers were seen to say, most telling first. Bounded patterns only: the text is the server's. */
const SIGNS: readonly Sign[] = [
  {
    means: 'AUTH_NEEDS_APP_PASSWORD',
    says: /app(lication)?[- ]?(specific)?[- ]?(password|passcode)|two[- ]factor|2[- ]?step verification/i,
  },
  {
    means: 'IMAP_DISABLED',
    says: /imap( access| service| protocol)?( is| has been)? (disabled|not enabled|turned off|switched off|not allowed|blocked)|(not|n't) (have|allow) imap|not enabled for imap|(enable|activate|turn on) imap|protocol (is )?(disabled|not enabled)/i,
  },
  {
    means: 'AUTH_NEEDS_OAUTH',
    says: /basic auth(entication)? (is|has been) (disabled|blocked|turned off)|modern auth|oauth ?2? (is )?required|must use oauth|password-based auth\w* (is )?(disabled|not (allowed|supported))/i,
  },
];

/** Web sign-in wanted: Gmail says so for an ordinary password, and only an app password helps. */
const WEB_LOGIN = /web ?login required|log ?in (via|with|using) your web browser|WEBALERT|weblogin/i;
/** A right password, but no mailbox behind it (Exchange): nothing a new kind of password would change. */
const NO_MAILBOX = /authenticated but not connected/i;

/** Characters of a server's answer that are looked at. */
const MAX_TEXT = 1_000;

/**
 * What a refused sign-in means: what the server says, else what it most likely means at this provider. A hint about the
 * provider decides only between reasons a person can act on; it never turns into a promise that the password is right.
 */
export function classifyAuthError({ provider: id, host, code, text }: AuthRefusal): AuthCode {
  const provider = providerOfHost(host) ?? (id === undefined ? null : providerFor(id));
  const said = text.slice(0, MAX_TEXT);
  for (const { means, says } of SIGNS) if (says.test(said)) return means;
  if (NO_MAILBOX.test(said)) return 'AUTH_FAILED';
  if (WEB_LOGIN.test(said) || WEB_LOGIN.test(code ?? ''))
    return provider?.refusalMeans === 'AUTH_NEEDS_OAUTH' ? 'AUTH_NEEDS_OAUTH' : 'AUTH_NEEDS_APP_PASSWORD';
  return provider?.refusalMeans ?? 'AUTH_FAILED';
}
