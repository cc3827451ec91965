import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** A sign-in form is some hundred bytes. */
const MAX_FORM = 16 * 1024;

export class FormError extends Error {
  constructor(
    readonly status: 400 | 403 | 413 | 429 | 503,
    message: string,
  ) {
    super(message);
  }
}

/** @throws FormError for anything but a small urlencoded form. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? ''))
    throw new FormError(400, 'Please use the form.');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_FORM) throw new FormError(413, 'That is too long.');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

/** Tokens for hidden fields: bound to a cookie that only our pages were given, so they need no store. */
export class FormTokens {
  private readonly key: Buffer;

  /** @param keys the master keys; the first one counts. */
  constructor(keys: string) {
    const [first = ''] = keys.split(',');
    const master = Buffer.from(first.slice(first.indexOf(':') + 1), 'base64');
    this.key = Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), 'mailferry/standalone/forms', 32));
  }

  make(cookie: string): string {
    return createHmac('sha256', this.key).update(cookie).digest('base64url');
  }

  matches(cookie: string | null, sent: string | null): boolean {
    if (cookie === null || sent === null) return false;
    const wanted = Buffer.from(this.make(cookie));
    const given = Buffer.from(sent);
    return wanted.length === given.length && timingSafeEqual(wanted, given);
  }
}
