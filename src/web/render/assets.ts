import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const compress = promisify(gzip);

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};
/** Already small, or not worth the time. */
const INCOMPRESSIBLE = new Set(['.png', '.ico', '.woff2']);

export interface Asset {
  readonly name: string;
  readonly type: string;
  readonly hash: string;
  readonly bytes: Buffer;
  /** Made at the first wish. */
  gzipped(): Promise<Buffer | null>;
}

/** The files a page may load: our own, and Tabler's from its package. A fixed list; no path ever comes from a request. */
export class Assets {
  private readonly byName = new Map<string, Asset>();

  constructor(folder: string) {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isFile() && TYPES[extname(entry.name)] !== undefined) this.add(entry.name, join(folder, entry.name));
    const tabler = dirname(createRequire(import.meta.url).resolve('@tabler/core/package.json'));
    this.add('tabler.min.css', join(tabler, 'dist/css/tabler.min.css'));
  }

  get(name: string): Asset | null {
    return this.byName.get(name) ?? null;
  }

  private add(name: string, file: string): void {
    const source = readFileSync(file);
    // The source map is not served.
    const bytes = name.startsWith('tabler')
      ? Buffer.from(source.toString('utf8').replace(/\/[*/][#@] sourceMappingURL=.*/, ''))
      : source;
    const extension = extname(name);
    let small: Promise<Buffer | null> | null = null;
    this.byName.set(name, {
      name,
      type: TYPES[extension] ?? 'application/octet-stream',
      hash: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
      bytes,
      gzipped: () => (small ??= INCOMPRESSIBLE.has(extension) ? Promise.resolve(null) : compress(bytes)),
    });
  }
}
