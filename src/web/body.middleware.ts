import type { NextFunction, Request, Response } from './http.js';
import { WebError } from './web-error.js';

/** Largest body of a request: a list of 5,000 folders to leave out fits many times (bytes). */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Form fields; more is no form of ours. */
const MAX_FIELDS = 2000;

// Found here, thrown by the guard, so that our own filter shows it and not the host's.
const problems = new WeakMap<object, WebError>();

/** @throws WebError when the body of this request could not be read. */
export function assertBody(req: Request): void {
  const problem = problems.get(req);
  if (problem !== undefined) throw problem;
}

/** Reads JSON and form bodies where the host has not done so, and refuses what is too long either way. */
export function readBody(req: Request, _res: Response, next: NextFunction): void {
  const length = Number(req.headers['content-length'] ?? 0);
  if (length > MAX_BODY_BYTES) {
    problems.set(req, tooLarge());
    // Not read at all: the connection is closed after the answer.
    if (!req.readableEnded) _res.setHeader('Connection', 'close');
    next();
    return;
  }
  if (req.body !== undefined || req.readableEnded || req.method === 'GET' || req.method === 'HEAD') {
    next();
    return;
  }
  const parse = parserOf(req.headers['content-type']);
  if (parse === null) {
    next();
    return;
  }
  collect(req).then(
    (bytes) => {
      try {
        req.body = parse(bytes.toString('utf8'));
      } catch (error) {
        problems.set(req, error instanceof WebError ? error : malformed());
      }
      next();
    },
    (error: unknown) => {
      if (!(error instanceof WebError)) return next(error);
      _res.setHeader('Connection', 'close');
      problems.set(req, error);
      next();
    },
  );
}

async function collect(req: Request): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parserOf(contentType: string | undefined): ((text: string) => unknown) | null {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/json') return (text) => (text.trim() === '' ? undefined : (JSON.parse(text) as unknown));
  if (type === 'application/x-www-form-urlencoded') return formOf;
  return null;
}

/** A field that comes several times is a list. No prototype: a field may be called `__proto__`. */
function formOf(text: string): Record<string, string | string[]> {
  const fields = Object.create(null) as Record<string, string | string[]>;
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    if ((count += 1) > MAX_FIELDS) throw tooLarge();
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else if (typeof before === 'string') fields[name] = [before, value];
    else before.push(value);
  }
  return fields;
}

function tooLarge(): WebError {
  return new WebError('TOO_LARGE', 'The request is too large.', { maxBytes: MAX_BODY_BYTES });
}
function malformed(): WebError {
  return new WebError('MALFORMED', 'The body of the request is not valid JSON.');
}
