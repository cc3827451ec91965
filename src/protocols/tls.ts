import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { type CertificateFacts, ConnectError, type ConnectWhy } from './connect-error.js';

/** RFC 8996: nothing older. */
const MIN_VERSION = 'TLSv1.2';
/** Characters of a certificate's names that are kept. */
const MAX_NAME_TEXT = 300;

export interface TlsTarget {
  /** The name, or canonical address, the certificate must be for. */
  readonly host: string;
  readonly isAddress: boolean;
  /** SHA-256 of the one certificate that is accepted, instead of every other check; hex, colons allowed. */
  readonly caFingerprint?: string;
  /** PEM; replaces the certificate authorities Node knows. */
  readonly ca?: string;
}

/**
 * Starts TLS on a connected socket and calls `onSecure` once the certificate is checked, before any byte of ours goes
 * inside. A certificate that may not be trusted destroys the socket with a ConnectError; other failures come as they
 * are, for asConnectError.
 */
export function startTls(socket: Socket, target: TlsTarget, onSecure: () => void): TLSSocket {
  const secure = tlsConnect({
    socket,
    host: target.host,
    ...(target.isAddress ? {} : { servername: target.host }),
    minVersion: MIN_VERSION,
    ...(target.ca === undefined ? {} : { ca: target.ca }),
    // Judged by verify(), so that what was shown can be told; nothing is written before.
    rejectUnauthorized: false,
  });
  secure.once('secureConnect', () => {
    const error = verify(secure, target);
    if (error === null) onSecure();
    else secure.destroy(error);
  });
  return secure;
}

function verify(secure: TLSSocket, target: TlsTarget): ConnectError | null {
  const raw = secure.getPeerCertificate().raw as Buffer | undefined;
  if (raw === undefined)
    return new ConnectError('TLS_UNTRUSTED', 'The server shows no certificate.', { why: 'unchecked' });
  const certificate = certificateFacts(raw);
  if (target.caFingerprint !== undefined) {
    if (certificate.fingerprint === plainFingerprint(target.caFingerprint)) return null;
    return new ConnectError('TLS_UNTRUSTED', 'The server shows another certificate than the one that was accepted.', {
      why: 'changed',
      certificate,
    });
  }
  if (secure.authorized) return null;
  // Node says a string code here, whatever its types say.
  const why = WHY_UNTRUSTED[String(secure.authorizationError)] ?? 'unchecked';
  return new ConnectError('TLS_UNTRUSTED', WORDS[why] ?? 'The certificate of the server cannot be checked.', {
    why,
    certificate,
  });
}

/** OpenSSL's verify codes as Node names them (x509_vfy.h). */
const WHY_UNTRUSTED: Readonly<Record<string, ConnectWhy>> = {
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  CERT_REVOKED: 'revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown-issuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown-issuer',
  CERT_UNTRUSTED: 'unknown-issuer',
  HOSTNAME_MISMATCH: 'wrong-name',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrong-name',
  ERR_TLS_CERT_ALTNAME_FORMAT: 'wrong-name',
};

const WORDS: Partial<Record<ConnectWhy, string>> = {
  expired: 'The certificate of the server has expired.',
  'not-yet-valid': 'The certificate of the server is not valid yet.',
  revoked: 'The certificate of the server was revoked.',
  'self-signed': 'The server made its certificate itself, so nobody vouches for it.',
  'unknown-issuer': 'The certificate of the server was issued by somebody we do not know.',
  'wrong-name': 'The certificate of the server is for another name.',
};

export function plainFingerprint(text: string): string {
  return text.replaceAll(':', '').toLowerCase();
}

function certificateFacts(der: Buffer): CertificateFacts {
  const certificate = new X509Certificate(der);
  const validTo = new Date(certificate.validTo);
  return {
    fingerprint: plainFingerprint(certificate.fingerprint256),
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    validTo: Number.isNaN(validTo.getTime()) ? '' : validTo.toISOString(),
  };
}

/** Node gives one attribute a line; a certificate may hold none at all. */
function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ').slice(0, MAX_NAME_TEXT);
}

const TOO_OLD = /UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION|DH_KEY_TOO_SMALL|LEGACY|CA_MD_TOO_WEAK|EE_KEY_TOO_SMALL/;
const NOT_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|BAD_RECORD_TYPE|UNEXPECTED_MESSAGE/;

/** A failed handshake in our codes; a ConnectError stays what it is. */
export function asConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const code = String((error as NodeJS.ErrnoException | null)?.code ?? '');
  if (TOO_OLD.test(code))
    return new ConnectError('TLS_UNTRUSTED', 'The server only knows encryption that is no longer safe.', {
      why: 'tls-too-old',
      cause: error,
    });
  if (NOT_TLS.test(code))
    return new ConnectError(
      'CONNECT_FAILED',
      'The server answers on this port, but not with an encrypted connection.',
      {
        why: 'not-tls',
        cause: error,
      },
    );
  return new ConnectError('CONNECT_FAILED', 'The server closed the connection.', { why: 'closed', cause: error });
}
