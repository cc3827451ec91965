import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MESSAGES } from '../../src/jobs/messages.js';
import { WORKER_FLAGS } from '../../src/standalone/worker-flags.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const MAX_IMAGE_BYTES = 150 * 1024;

/** Markdown of ours, relative to the root. */
function documents(dir = ROOT): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || ['node_modules', 'dist', 'coverage'].includes(entry.name)) return [];
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return documents(path);
    return entry.name.endsWith('.md') ? [relative(ROOT, path)] : [];
  });
}

const DOCUMENTS = documents();
const withoutCode = (text: string): string => text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '');
const linksOf = (text: string): string[] =>
  [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((link) => !/^[a-z]+:/.test(link));
/** As GitHub makes them. */
const anchorsOf = (text: string): string[] =>
  [...text.replace(/```[\s\S]*?```/g, '').matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

interface Property {
  readonly default?: unknown;
  readonly description?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Property>>;
  readonly items?: Property;
  readonly oneOf?: readonly Property[];
}
const settings = JSON.parse(read('schemas/settings.schema.json')) as Property;

/** Settings inside settings: `destination.imap.host`, `accounts[].name`. */
function inner(at: string, { properties = {}, items, oneOf = [] }: Property): string[] {
  const here = Object.entries(properties).flatMap(([name, property]) => {
    const path = at === '' ? name : `${at}.${name}`;
    return [...(at === '' ? [] : [path]), ...inner(path, property)];
  });
  return [...here, ...(items ? inner(`${at}[]`, items) : []), ...oneOf.flatMap((one) => inner(at, one))];
}

describe('the documents', () => {
  it('are found by this test', () => {
    expect(DOCUMENTS).toEqual(
      expect.arrayContaining(['README.md', 'docs/operating.md', 'docs/adr/0001-rooms-beside-the-house.md']),
    );
  });

  it.each(DOCUMENTS)('%s links to what is there', (file) => {
    const broken = linksOf(read(file)).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(ROOT, file) : resolve(ROOT, dirname(file), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it.each(DOCUMENTS)('%s names only scripts that package.json has', (file) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(file).matchAll(/npm run ([a-z:-]+)/g)].map((match) => match[1]!);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it.each(DOCUMENTS)('%s names only files of ours that are there', (file) => {
    const named = [...read(file).matchAll(/`((?:src|test|views|schemas|migrations|docs)\/[\w./-]+\.[a-z]+)`/g)];
    expect(named.map((match) => match[1]!).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('show small pictures', () => {
    const large = readdirSync(join(ROOT, 'docs/images')).filter(
      (name) => statSync(join(ROOT, 'docs/images', name)).size > MAX_IMAGE_BYTES,
    );
    expect(large).toEqual([]);
  });
});

describe('the settings', () => {
  const readme = read('README.md');
  const outer = Object.entries(settings.properties ?? {}).filter(([name]) => name !== '$schema');

  it.each(outer)('%s is in the README with its variable and its default', (name, property) => {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
    const variable = /MAILFERRY_[A-Z_]+/.exec(property.description ?? '')?.[0];
    expect(row).toBeDefined();
    if (variable !== undefined) expect(row).toContain(`\`${variable}\``);
    if (property.default !== undefined) expect(row).toContain(`\`${JSON.stringify(property.default)}\``);
  });

  it('are all read from the variable that their description names', () => {
    const code = read('src/standalone/settings.ts');
    const read_ = new Map([...code.matchAll(/(MAILFERRY_[A-Z_]+): \['(\w+)'/g)].map((match) => [match[2]!, match[1]!]));
    const told = outer.flatMap(([name, { description = '' }]) => {
      const variable = /MAILFERRY_[A-Z_]+/.exec(description)?.[0];
      return variable === undefined ? [] : [[name, variable] as const];
    });
    expect(new Map(told)).toEqual(read_);
  });

  it.each([...new Set(inner('', settings))])('%s is in docs/operating.md', (path) => {
    expect(read('docs/operating.md')).toContain(`| \`${path}\` |`);
  });
});

describe('the codes', () => {
  it.each(Object.entries(MESSAGES))('%s is in docs/operating.md with its words', (code, { message }) => {
    expect(read('docs/operating.md')).toContain(`| ${code} | ${message} | `);
  });
});

describe('the examples for operators', () => {
  const known = [...read('src/web/health/metrics.ts').matchAll(/'(mailferry_[a-z_]+)'/g)].map((match) => match[1]!);

  it.each(['examples/grafana/mailferry.json', 'examples/grafana/alerts.yaml'])(
    '%s asks only for metrics that there are',
    (file) => {
      const used = [...new Set([...read(file).matchAll(/mailferry_[a-z_]+/g)].map((match) => match[0]))];
      expect(used.length).toBeGreaterThan(4);
      expect(used.filter((name) => !known.includes(name))).toEqual([]);
    },
  );

  it('set only variables that are read, and start only what is built', () => {
    const compose = read('examples/compose/compose.yaml');
    const settings = read('src/standalone/settings.ts');
    const set = [...compose.matchAll(/^ +(MAILFERRY_[A-Z_]+):/gm)].map((match) => match[1]!);
    expect(set.length).toBeGreaterThan(5);
    expect(set.filter((name) => !settings.includes(name))).toEqual([]);
    const started = [...compose.matchAll(/dist\/(src\/[a-z]+)\.js/g)].map((match) => `${match[1]}.ts`);
    expect(started.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
    for (const path of ['health/ready', 'worker/alive']) expect(compose).toContain(path);
  });

  it('start a worker with the same flags of node as npm start does', () => {
    const flags = WORKER_FLAGS.join(' ');
    expect(read('package.json')).toContain(`"start:worker": "node ${flags} dist/src/worker.js"`);
    expect(read('examples/compose/compose.yaml')).toContain(
      `command: [node, ${WORKER_FLAGS.join(', ')}, dist/src/worker.js]`,
    );
    expect(read('docs/operating.md')).toContain(`node ${flags} dist/src/worker.js`);
  });
});

describe('the metrics', () => {
  it('are in docs/operating.md, and no others', () => {
    const names = (text: string): string[] => [
      ...new Set([...text.matchAll(/mailferry_[a-z_]+/g)].map((match) => match[0])),
    ];
    const real = [...read('src/web/health/metrics.ts').matchAll(/'(mailferry_[a-z_]+)'/g)].map((match) => match[1]!);
    expect(real.length).toBeGreaterThan(5);
    expect(names(read('docs/operating.md')).sort()).toEqual([...real].sort());
  });
});
