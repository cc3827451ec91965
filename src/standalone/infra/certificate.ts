import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its private key, as PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}
export interface Authority extends Identity {
  readonly name: string;
}
export interface IssueOptions {
  /** DNS names and IPv4 addresses; the first one is the common name. */
  readonly names: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;
/** What clients accept at most for a server's certificate is 825 days. */
const SERVER_DAYS = 800;
const AUTHORITY_DAYS = 3650;

/**
 * A private certificate authority. Node can make keys and signatures but no certificates, and openssl is not on every machine:
 * this writes the few fields of RFC 5280 that a test or sandbox server needs.
 */
export function makeAuthority(name: string): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const extensions = [
    extension(OID.basicConstraints, true, sequence(TRUE)),
    // keyCertSign, cRLSign
    extension(OID.keyUsage, true, tlv(0x03, Buffer.from([1, 0x06]))),
    extension(OID.subjectKeyId, false, tlv(0x04, keyId(spki))),
  ];
  const cert = certificate({
    issuer: name,
    subject: name,
    from: new Date(Date.now() - DAY_MS),
    to: new Date(Date.now() + AUTHORITY_DAYS * DAY_MS),
    spki,
    extensions,
    signer: privateKey,
  });
  return { name, cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** A server's certificate signed by the authority. */
export function issue(authority: Authority, options: IssueOptions): Identity {
  const signer = createPrivateKey(authority.key);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const names = options.names.map((name) =>
    isIP(name) === 4 ? tlv(0x87, Buffer.from(name.split('.').map(Number))) : tlv(0x82, Buffer.from(name, 'latin1')),
  );
  const cert = certificate({
    issuer: authority.name,
    subject: options.names[0] ?? 'server',
    from: options.notBefore ?? new Date(Date.now() - DAY_MS),
    to: options.notAfter ?? new Date(Date.now() + SERVER_DAYS * DAY_MS),
    spki,
    extensions: [
      extension(OID.basicConstraints, true, sequence()),
      // digitalSignature
      extension(OID.keyUsage, true, tlv(0x03, Buffer.from([7, 0x80]))),
      extension(OID.extKeyUsage, false, sequence(OID.serverAuth)),
      extension(OID.subjectAltName, false, sequence(...names)),
    ],
    signer,
  });
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

interface Fields {
  readonly issuer: string;
  readonly subject: string;
  readonly from: Date;
  readonly to: Date;
  readonly spki: Buffer;
  readonly extensions: readonly Buffer[];
  readonly signer: KeyObject;
}

/** RFC 5280 section 4.1. */
function certificate(fields: Fields): string {
  const algorithm = sequence(OID.ecdsaWithSha256);
  const serial = randomBytes(16);
  // Positive and without a leading zero byte, as DER wants it.
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    algorithm,
    distinguishedName(fields.issuer),
    sequence(time(fields.from), time(fields.to)),
    distinguishedName(fields.subject),
    fields.spki,
    tlv(0xa3, sequence(...fields.extensions)),
  );
  const signature = sign('sha256', tbs, fields.signer);
  const der = sequence(tbs, algorithm, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function tlv(tag: number, value: Buffer): Buffer {
  const n = value.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), value]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(OID.commonName, tlv(0x0c, Buffer.from(commonName)))));
}

function extension(oid: Buffer, critical: boolean, value: Buffer): Buffer {
  return sequence(oid, ...(critical ? [TRUE] : []), tlv(0x04, value));
}

/** UTCTime up to 2049, GeneralizedTime after it (RFC 5280 section 4.1.2.5). */
function time(date: Date): Buffer {
  const text = date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  return date.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(text.slice(2))) : tlv(0x18, Buffer.from(text));
}

function keyId(spki: Buffer): Buffer {
  return createHash('sha1').update(spki).digest();
}

const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'));
const OID = {
  ecdsaWithSha256: oid('2a8648ce3d040302'),
  commonName: oid('550403'),
  basicConstraints: oid('551d13'),
  keyUsage: oid('551d0f'),
  subjectKeyId: oid('551d0e'),
  subjectAltName: oid('551d11'),
  extKeyUsage: oid('551d25'),
  serverAuth: oid('2b06010505070301'),
};
