import type { Request, Response } from '../http.js';

/** With https: bound to this very host, the whole of it, and never sent in clear (RFC 6265bis 4.1.3.2). */
const SECURE_NAME = '__Host-mailferry';
const PLAIN_NAME = 'mailferry';
/** 32 bytes in base64url. */
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/** The session's secret, if the browser sent one that looks like ours. */
export function readSessionCookie(req: Request, https: boolean): string | null {
  const name = https ? SECURE_NAME : PLAIN_NAME;
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at < 0 || pair.slice(0, at).trim() !== name) continue;
    const value = pair.slice(at + 1).trim();
    if (SECRET.test(value)) return value;
  }
  return null;
}

export function setSessionCookie(res: Response, https: boolean, secret: string, maxAgeMs: number): void {
  append(res, https, `${secret}; Max-Age=${Math.floor(maxAgeMs / 1000)}`);
}

export function clearSessionCookie(res: Response, https: boolean): void {
  append(res, https, '; Max-Age=0');
}

function append(res: Response, https: boolean, value: string): void {
  res.append(
    'Set-Cookie',
    `${https ? SECURE_NAME : PLAIN_NAME}=${value}; Path=/; HttpOnly; SameSite=Lax${https ? '; Secure' : ''}`,
  );
}
