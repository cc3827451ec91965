import type { NextFunction, Request, Response } from './http.js';
import { addField, readMultipart, tooLarge } from './multipart.js';
import { UploadForm } from './upload-form.js';
import { WebError } from './web-error.js';

/** Largest body of a request: a list of 5,000 folders to leave out fits many times (bytes). */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Where a route takes more: ten thousand rows with long passwords (bytes), and so many such requests at once. */
export const MAX_LARGE_BODY_BYTES = 16 * 1024 * 1024;
const LARGE_AT_ONCE = 4;
/** Form fields; more is no form of ours. */
const MAX_FIELDS = 2000;

// Found here, thrown by the guard, so that our own filter shows it and not the host's.
const problems = new WeakMap<object, WebError>();
/** Bodies that were left on the wire: the guard reads them where the route takes such (readLargeBody). */
const waiting = new WeakSet<object>();

/** @throws WebError when the body of this request could not be read. */
export function assertBody(req: Request): void {
  const problem = problems.get(req);
  if (problem !== undefined) throw problem;
  if (waiting.has(req)) throw isFile(req) ? malformed() : tooLarge(MAX_BODY_BYTES);
}

/** For a route that takes large bodies and files, once it is clear who sends it. @throws WebError */
export async function readLargeBody(req: Request): Promise<void> {
  if (!waiting.delete(req)) return;
  if (largeBodies >= LARGE_AT_ONCE)
    throw new WebError('RATE_LIMITED', 'Several large uploads are being read right now. Please try again in a moment.');
  largeBodies += 1;
  try {
    if (isFile(req)) req.body = await readMultipart(req, MAX_LARGE_BODY_BYTES);
    else req.body = parsed(req, await collect(req, MAX_LARGE_BODY_BYTES));
  } finally {
    largeBodies -= 1;
  }
}
let largeBodies = 0;

/** Forms whose files are read by the route itself, and how many of them at once. */
const uploads = new WeakMap<object, UploadForm>();
const UPLOADS_AT_ONCE = 4;
let openUploads = 0;

/** For a route that takes files as they come. A form without files is read like any other. @throws WebError */
export async function beginUpload(req: Request, res: Response): Promise<void> {
  if (!waiting.has(req) || !isFile(req)) return;
  waiting.delete(req);
  if (openUploads >= UPLOADS_AT_ONCE)
    throw new WebError('RATE_LIMITED', 'Several uploads are being read right now. Please try again in a moment.');
  openUploads += 1;
  res.once('close', () => (openUploads -= 1));
  const form = await UploadForm.begin(req);
  uploads.set(req, form);
  req.body = form.fields;
}

/** Null: the request is no form with files. */
export function uploadOf(req: Request): UploadForm | null {
  return uploads.get(req) ?? null;
}

/** Reads JSON and form bodies where the host has not done so, and refuses what is too long either way. */
export function readBody(req: Request, _res: Response, next: NextFunction): void {
  const length = Number(req.headers['content-length'] ?? 0);
  if ((length > MAX_BODY_BYTES || isFile(req)) && req.body === undefined && !req.readableEnded) {
    waiting.add(req);
    // It may not be read at all: the connection is closed after the answer.
    _res.setHeader('Connection', 'close');
    next();
    return;
  }
  if (length > MAX_BODY_BYTES) problems.set(req, tooLarge(MAX_BODY_BYTES));
  if (req.body !== undefined || req.readableEnded || req.method === 'GET' || req.method === 'HEAD') {
    next();
    return;
  }
  if (parserOf(req) === null) {
    next();
    return;
  }
  collect(req, MAX_BODY_BYTES).then(
    (bytes) => {
      try {
        req.body = parsed(req, bytes);
      } catch (error) {
        problems.set(req, error as WebError);
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

async function collect(req: Request, max: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > max) throw tooLarge(max);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @throws WebError TOO_LARGE, MALFORMED */
function parsed(req: Request, bytes: Buffer): unknown {
  try {
    return parserOf(req)?.(bytes.toString('utf8'));
  } catch (error) {
    throw error instanceof WebError ? error : malformed();
  }
}

function parserOf(req: Request): ((text: string) => unknown) | null {
  const type = typeOf(req);
  if (type === 'application/json') return (text) => (text.trim() === '' ? undefined : (JSON.parse(text) as unknown));
  if (type === 'application/x-www-form-urlencoded') return formOf;
  return null;
}

function typeOf(req: Request): string | undefined {
  return req.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
}
function isFile(req: Request): boolean {
  return typeOf(req) === 'multipart/form-data';
}

/** A field that comes several times is a list. No prototype: a field may be called `__proto__`. */
function formOf(text: string): Record<string, string | string[]> {
  const fields = Object.create(null) as Record<string, string | string[]>;
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    if ((count += 1) > MAX_FIELDS) throw tooLarge(MAX_BODY_BYTES);
    addField(fields, name, value);
  }
  return fields;
}

function malformed(): WebError {
  return new WebError('MALFORMED', 'The body of the request is not valid JSON.');
}
