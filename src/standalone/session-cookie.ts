/** The part of an Express request and response that is used here. */
interface Carrier {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}
interface Answer {
  append(name: string, value: string): unknown;
}

/** 32 bytes in base64url. */
const SECRET = /^[A-Za-z0-9_-]{43}$/;
const nameOf = (name: string, https: boolean): string => (https ? `__Host-${name}` : name);

/** Null: not sent, or nothing we could have made. */
export function readCookie(request: unknown, name: string, https: boolean): string | null {
  const header = (request as Carrier).headers['cookie'];
  for (const pair of (typeof header === 'string' ? header : '').split(';')) {
    const at = pair.indexOf('=');
    if (at < 0 || pair.slice(0, at).trim() !== nameOf(name, https)) continue;
    const value = pair.slice(at + 1).trim();
    if (SECRET.test(value)) return value;
  }
  return null;
}

/** @param seconds 0: take it away. Null: until the browser is closed. */
export function writeCookie(answer: Answer, name: string, value: string, https: boolean, seconds: number | null): void {
  const life = seconds === null ? '' : `; Max-Age=${seconds}`;
  const secure = https ? '; Secure' : '';
  answer.append('Set-Cookie', `${nameOf(name, https)}=${value}; Path=/; HttpOnly; SameSite=Lax${secure}${life}`);
}
