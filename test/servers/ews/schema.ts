/**
 * Whether requests and answers are as the schemas say, where ../shared/ews is beside the checkout (MAILFERRY_EWS_SCHEMAS
 * names another place) and xmllint-wasm is installed. Starting the validator takes a second, so documents are collected and
 * looked at together; those of a shape that was seen before are not collected again.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface File {
  readonly fileName: string;
  readonly contents: string;
}
interface Validation {
  readonly valid: boolean;
  readonly errors: readonly { readonly message: string; readonly loc: { readonly fileName: string } | null }[];
}
type Validate = (options: {
  xml: readonly File[];
  schema: readonly File[];
  preload: readonly File[];
  maxMemoryPages: number;
}) => Promise<Validation>;

/** Pages of 64 KiB. */
const MOST_MEMORY = 16_384;
const MOST_DOCUMENTS = 4_000;

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const places = [join(checkout, '..', 'shared', 'ews'), join(checkout, '..', '..', 'shared', 'ews')];
const place = process.env['MAILFERRY_EWS_SCHEMAS'] ?? places.find((dir) => existsSync(join(dir, 'schemas')));

/** Null: a validator can be had. Otherwise why not. */
export const noSchemas: string | null =
  place === undefined ? 'the schemas of ../shared/ews are not here' : await withoutValidator();

async function withoutValidator(): Promise<string | null> {
  return (await validator()) === null ? 'xmllint-wasm is not installed' : null;
}

async function validator(): Promise<Validate | null> {
  // Not a static import: whoever has no schemas needs no validator.
  const name = 'xmllint-wasm';
  return import(name).then(
    (module: { validateXML: Validate }) => module.validateXML,
    () => null,
  );
}

let loaded: { schema: File; preload: File[] } | undefined;

function schemas(): { schema: File; preload: File[] } {
  if (loaded !== undefined) return loaded;
  const dir = join(place!, 'schemas');
  const files = readdirSync(dir).map((fileName) => ({
    fileName,
    contents: readFileSync(join(dir, fileName), 'utf8').replaceAll('../xml.xsd', 'xml.xsd'),
  }));
  files.push({ fileName: 'xml.xsd', contents: readFileSync(join(place!, 'xml.xsd'), 'utf8') });
  const schema = files.find(({ fileName }) => fileName === 'messages.xsd')!;
  loaded = { schema, preload: files.filter((one) => one !== schema) };
  return loaded;
}

/** What is wrong with each of these bodies: the elements inside soap:Body. Empty for a good one. */
export async function complaints(bodies: readonly string[]): Promise<string[][]> {
  const validate = noSchemas === null ? await validator() : null;
  if (validate === null || bodies.length === 0) return bodies.map(() => []);
  const xml = bodies.map((contents, i) => ({ fileName: `${i}.xml`, contents }));
  const { schema, preload } = schemas();
  const { errors } = await validate({ xml, schema: [schema], preload, maxMemoryPages: MOST_MEMORY });
  const found: string[][] = bodies.map(() => []);
  for (const { message, loc } of errors) if (loc !== null) found[Number.parseInt(loc.fileName, 10)]?.push(message);
  return found;
}

/** The element inside soap:Body, with the namespaces its envelope declares. Null: there is none. */
export function bodyOf(envelope: string): string | null {
  const body = /<(?:[\w.-]+:)?Body\b[^>]*>([\s\S]*)<\/(?:[\w.-]+:)?Body>/.exec(envelope)?.[1]?.trim();
  if (!body) return null;
  const outer = envelope.slice(0, envelope.indexOf(body));
  const opening = /^<[^>]*>/.exec(body)?.[0] ?? '';
  const declared = new Map(
    [...outer.matchAll(/\sxmlns(:[\w.-]+)?="([^"]*)"/g)].map(([, prefix = '', uri]) => [prefix, uri!]),
  );
  const missing = [...declared].filter(([prefix]) => !opening.includes(`xmlns${prefix}="`));
  const written = missing.map(([prefix, uri]) => ` xmlns${prefix}="${uri}"`).join('');
  return body.replace(/^<[\w.:-]+/, (name) => `${name}${written}`);
}

/** Documents to be looked at together. */
export class SchemaLog {
  private readonly shapes = new Set<string>();
  private waiting: { readonly what: string; readonly body: string }[] = [];

  add(what: string, envelope: string): void {
    if (noSchemas !== null || this.waiting.length >= MOST_DOCUMENTS) return;
    const body = bodyOf(envelope);
    if (body === null) return;
    const shape = createHash('sha1').update(shapeOf(body)).digest('base64');
    if (this.shapes.has(shape)) return;
    this.shapes.add(shape);
    this.waiting.push({ what, body });
  }

  get looked(): number {
    return this.shapes.size;
  }

  /** Sentences about what is not as the schemas say. */
  async verdict(): Promise<string[]> {
    const documents = this.waiting;
    this.waiting = [];
    const found = await complaints(documents.map(({ body }) => body));
    return found.flatMap((wrong, i) =>
      wrong.length === 0 ? [] : [`${documents[i]!.what}: ${wrong.join(' ')}\n${documents[i]!.body.slice(0, 2_000)}`],
    );
  }
}

/** Long values (ids, base64) and digits may differ. */
function shapeOf(body: string): string {
  return body.replace(/[A-Za-z0-9+/=]{24,}/g, '#').replace(/\d+/g, '0');
}
