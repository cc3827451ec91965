import { finished, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import type { Request } from './http.js';
import { addField } from './multipart.js';
import { WebError } from './web-error.js';

/** Bytes of a form with files that are read at all, taken or not: beyond that the connection is cut. */
const MAX_FORM_BYTES = 1024 * 1024 * 1024;
/** Files of one form; what is chosen in one go by a person. */
const MAX_FORM_FILES = 50;
const MAX_FIELDS = 50;
const MAX_FIELD_BYTES = 4096;

export interface FormFile {
  /** As the browser names it; anybody's text. */
  readonly name: string;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * A form whose files are read while they come (RFC 7578). What stands before the first file is there at once: who sends it is
 * known before a byte of a file is taken.
 */
export class UploadForm {
  /** Fields that came so far; all of them once `files` has ended. */
  readonly fields: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  private readonly waiting: { name: string; stream: Readable }[] = [];
  private readonly done: Promise<void>;
  private over = false;
  private problem: WebError | null = null;
  private wake: () => void = () => undefined;

  private constructor(req: Request) {
    let form: InstanceType<typeof Busboy>;
    try {
      form = new Busboy({
        headers: req.headers as BusboyHeaders,
        limits: {
          fieldNameSize: 100,
          fieldSize: MAX_FIELD_BYTES,
          fields: MAX_FIELDS,
          fileSize: MAX_FORM_BYTES,
          files: MAX_FORM_FILES,
        },
      });
    } catch {
      throw malformed();
    }
    form.on('field', (name, value, nameCut, valueCut) => {
      if (nameCut || valueCut) this.problem ??= malformed();
      else addField(this.fields, name, value);
    });
    form.on('file', (_field, stream, filename) => {
      // A form that ends in the middle of its file fails as a whole; unheard here it would end the process.
      stream.on('error', () => undefined);
      this.waiting.push({ name: filename ?? '', stream });
      this.wake();
    });
    form.on('fieldsLimit', () => void (this.problem ??= malformed()));
    form.on('filesLimit', () => void (this.problem ??= new WebError('TOO_MANY_FILES', 'These are too many files.')));
    let bytes = 0;
    req.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_FORM_BYTES) req.destroy();
    });
    this.done = pipeline(req, form)
      .catch(() => void (this.problem ??= malformed()))
      .then(() => {
        this.over = true;
        for (const { stream } of this.waiting) stream.resume();
        this.wake();
      });
  }

  /** Up to the first file, or to the end. @throws WebError MALFORMED */
  static async begin(req: Request): Promise<UploadForm> {
    const form = new UploadForm(req);
    await form.more();
    if (form.waiting.length === 0 && form.problem !== null) throw form.problem;
    return form;
  }

  /** One after the other; what of a file is not read is skipped. @throws WebError MALFORMED when the form breaks off */
  async *files(): AsyncGenerator<FormFile> {
    for (;;) {
      await this.more();
      const next = this.waiting.shift();
      if (next === undefined) break;
      const { name, stream } = next;
      let empty = true;
      const content = (async function* (): AsyncGenerator<Uint8Array> {
        const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
        for (;;) {
          const next = await chunks.next().catch(() => {
            throw malformed();
          });
          if (next.done === true) return;
          empty = false;
          yield next.value;
        }
      })();
      try {
        // A field in which nobody chose a file: no name and no bytes.
        if (name !== '') yield { name, content };
        else for await (const _ of content);
      } finally {
        await skipped(stream);
      }
      if (name === '' && !empty) this.problem ??= malformed();
    }
    await this.done;
    if (this.problem !== null) throw this.problem;
  }

  /** Reads the rest and forgets it, so that the answer is heard. */
  async skip(): Promise<void> {
    for (;;) {
      await this.more();
      const next = this.waiting.shift();
      if (next === undefined) return;
      await skipped(next.stream);
    }
  }

  private async more(): Promise<void> {
    if (this.waiting.length > 0 || this.over) return;
    await new Promise<void>((resolve) => (this.wake = resolve));
  }
}

function skipped(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    finished(stream, { writable: false }, () => resolve());
    stream.resume();
  });
}

function malformed(): WebError {
  return new WebError('MALFORMED', 'The form could not be read. Please try again.');
}
