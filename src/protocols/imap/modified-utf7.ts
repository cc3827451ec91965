/**
 * Modified UTF-7 (RFC 3501 section 5.1.3): what folder names look like on the wire. Decoding never fails: a name that
 * is not well-formed is shown as UTF-8 if it is that, else byte by byte, and NUL, which no database takes, as U+FFFD.
 * Never encode what was decoded to name an existing folder: the server's own spelling may differ.
 */
export function decodeMailboxName(raw: string): string {
  return decoded(raw).replaceAll('\0', '\ufffd');
}

function decoded(raw: string): string {
  if (/[^\x00-\x7f]/.test(raw)) return decodeBytes(raw);
  if (!raw.includes('&')) return raw;
  let valid = true;
  const name = raw.replace(/&([^-&]*)(-|$)/g, (whole, base64: string, end: string) => {
    if (base64 === '') return end === '-' ? '&' : ((valid = false), whole);
    const text = decodeRun(base64);
    if (text === null || end === '') valid = false;
    return text ?? whole;
  });
  return valid ? name : raw;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function decodeRun(base64: string): string | null {
  if (!/^[A-Za-z0-9+,]+$/.test(base64)) return null;
  const bytes = Buffer.from(base64.replaceAll(',', '/'), 'base64');
  if (bytes.length === 0 || bytes.length % 2 !== 0) return null;
  const text = bytes.swap16().toString('utf16le');
  return LONE_SURROGATE.test(text) ? null : text;
}

function decodeBytes(raw: string): string {
  const bytes = Buffer.from(raw, 'latin1');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return raw;
  }
}

export function encodeMailboxName(name: string): string {
  return name.replace(/\p{Surrogate}/gu, '\ufffd').replace(/&|[^\x20-\x7e]+/g, (run) => {
    if (run === '&') return '&-';
    const base64 = Buffer.from(run, 'utf16le').swap16().toString('base64');
    return `&${base64.replace(/=+$/, '').replaceAll('/', ',')}-`;
  });
}
