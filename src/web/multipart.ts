import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import type { Request } from './http.js';
import { WebError } from './web-error.js';

/** What a form sent: text, several texts of one name, or a file's bytes. */
export type MultipartFields = Record<string, string | string[] | Uint8Array>;

/** A form of ours has a few fields and one file. */
const MAX_FIELDS = 2_000;
const MAX_NAME_BYTES = 100;

/**
 * A form with a file (RFC 7578). A file without a name and without bytes is one that nobody chose, and left out.
 * @throws WebError TOO_LARGE, MALFORMED
 */
export async function readMultipart(req: Request, maxBytes: number): Promise<MultipartFields> {
  const fields = Object.create(null) as MultipartFields;
  let problem: WebError | null = null;
  let left = maxBytes;
  let ofFile: string | null = null;
  const tooMuch = (): void => void (problem ??= tooLarge(maxBytes));
  let form: InstanceType<typeof Busboy>;
  try {
    form = new Busboy({
      headers: req.headers as BusboyHeaders,
      limits: { fieldNameSize: MAX_NAME_BYTES, fieldSize: maxBytes, fields: MAX_FIELDS, fileSize: maxBytes, files: 1 },
    });
  } catch {
    throw malformedForm();
  }
  form.on('field', (name, value, nameCut, valueCut) => {
    left -= Buffer.byteLength(value);
    if (nameCut || valueCut || left < 0) tooMuch();
    // A name that a file has already is no form of ours.
    else if (name === ofFile) problem ??= malformedForm();
    else addField(fields as Record<string, string | string[]>, name, value);
  });
  form.on('file', (name, stream, filename) => {
    const chunks: Buffer[] = [];
    ofFile = name;
    if (fields[name] !== undefined) problem ??= malformedForm();
    stream.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) tooMuch();
      else chunks.push(chunk);
    });
    stream.on('limit', tooMuch);
    // A form that ends in the middle of its file fails as a whole below; unheard here it would end the process.
    stream.on('error', () => undefined);
    stream.on('end', () => {
      if (filename !== '' || chunks.length > 0) fields[name] = Buffer.concat(chunks);
    });
  });
  form.on('fieldsLimit', tooMuch);
  form.on('filesLimit', tooMuch);
  try {
    await pipeline(req, form);
  } catch {
    throw problem ?? malformedForm();
  }
  if (problem !== null) throw problem;
  return fields;
}

/** A field that comes several times is a list. */
export function addField(fields: Record<string, string | string[]>, name: string, value: string): void {
  const before = fields[name];
  if (before === undefined) fields[name] = value;
  else if (typeof before === 'string') fields[name] = [before, value];
  else before.push(value);
}

export function tooLarge(maxBytes: number): WebError {
  return new WebError('TOO_LARGE', 'The request is too large.', { maxBytes });
}

function malformedForm(): WebError {
  return new WebError('MALFORMED', 'The form could not be read. Please try again.');
}
