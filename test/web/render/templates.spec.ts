import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Templates } from '../../../src/web/render/templates.js';
import { Words } from '../../../src/web/render/words.js';
import { Assets } from '../../../src/web/render/assets.js';

const VIEWS = join(dirname(fileURLToPath(import.meta.url)), '../../../views');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mailferry-views-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function templates(files: Record<string, string>): Templates {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  mkdirSync(join(folder, 'locales'), { recursive: true });
  writeFileSync(
    join(folder, 'locales/en.json'),
    JSON.stringify({ hello: 'Hello {{name}}', many_one: '{{count}} mail', many_other: '{{count}} mails' }),
  );
  return new Templates(folder, {
    words: Words.load(join(folder, 'locales')),
    url: (path) => `/base${path}`,
    asset: (name) => `/assets/${name}`,
  });
}
const root = { lang: 'en', csrf: 'token', path: '/' };
function render(text: string, model: object = {}, more: Record<string, string> = {}): string {
  return templates({ 'page.hbs': text, ...more }).render(
    'page',
    { ...root, ...model },
    { root: { ...root, ...model } },
  );
}

describe('the views that are shipped', () => {
  it('all compile, with every word they name written down', () => {
    const real = new Templates(VIEWS, {
      words: Words.load(join(VIEWS, 'locales')),
      url: (path) => path,
      asset: (name) => name,
    });
    expect(real.names()).toEqual(expect.arrayContaining(['layouts/panel', 'layouts/bare', 'partials/ui/button']));
  });

  it('each partial opens with its usage', () => {
    const folder = join(VIEWS, 'partials/ui');
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.hbs')))
      expect([name, readFileSync(join(folder, name), 'utf8')]).toEqual([
        name,
        expect.stringMatching(/^\{\{!--\n {2}\{\{[>#]/),
      ]);
  });

  it('bring their assets with the right type and without source maps', () => {
    const real = new Assets(join(VIEWS, 'assets'));
    expect(real.get('tabler.min.css')?.bytes.includes('sourceMappingURL')).toBe(false);
    expect(real.get('mailferry.css')?.type).toContain('text/css');
  });
});

describe('a template', () => {
  it.each([
    ['{{{name}}}', /unescaped/],
    ['{{& name}}', /unescaped/],
    ['{{#if a}}{{#each b}}{{{this}}}{{/each}}{{/if}}', /unescaped/],
    ['{{frobnicate name}}', /frobnicate/],
    ['{{> ui/missing}}', /no partial ui\/missing/],
    ['{{#ui "missing"}}x{{/ui}}', /no partial ui\/missing/],
    ['{{> (lookup this "name")}}', /not computed/],
    ['{{t "nobody.wrote.this"}}', /no words for "nobody.wrote.this"/],
    ['{{#if (t "nobody")}}x{{/if}}', /no words/],
    ['{{#if a}}', /page/],
  ])('that says %s stops the start', (text, message) => {
    expect(() => templates({ 'page.hbs': text })).toThrow(message);
  });

  it('throws for a misspelt value instead of leaving a hole', () => {
    expect(() => render('{{mailbx}}', { mailbox: 'a' })).toThrow(/mailbx/);
  });

  it('shows nothing of its caller in a partial that was not given it', () => {
    const html = render(
      '{{> ui/x label="L"}}',
      { icon: 'leak' },
      { 'partials/ui/x.hbs': '{{label}}{{#if icon}}{{icon}}{{/if}}' },
    );
    expect(html).toBe('L');
  });

  it('keeps the caller around the body of a block', () => {
    const html = render(
      '{{#ui "card" title="T"}}{{name}}{{/ui}}',
      { name: '<b>' },
      { 'partials/ui/card.hbs': '<h2>{{title}}</h2>{{body}}' },
    );
    expect(html).toBe('<h2>T</h2>&lt;b&gt;');
  });
});

describe('helpers', () => {
  it.each([
    ['{{t "hello" name=x}}', '<i>', 'Hello &lt;i&gt;'],
    ['{{t "many" count=1}}', '', '1 mail'],
    ['{{t "many" count=3}}', '', '3 mails'],
    ['{{url "/jobs/" x "/report"}}', 'a/../b?c', '/base/jobs/a%2F..%2Fb%3Fc/report'],
    ['{{bytes x}}', 0, '0 B'],
    ['{{bytes x}}', 1536, '1.5 KB'],
    ['{{bytes x}}', 5 * 1024 ** 3, '5 GB'],
    ['{{bytes x}}', null, ''],
    ['{{number x}}', 1234567, '1,234,567'],
    ['{{percent x 1000}}', 999, '99%'],
    ['{{percent x 0}}', 5, '0%'],
    ['{{duration x}}', 59, '59 s'],
    ['{{duration x}}', 3600 * 3 + 1200, '3 h 20 min'],
    ['{{duration x}}', null, ''],
    [
      '{{date x style="date"}}',
      '2026-11-22T20:35:39Z',
      '<time datetime="2026-11-22T20:35:39.000Z" data-local="date">Nov 22, 2026</time>',
    ],
    ['{{date x}}', 'rubbish', ''],
    ['{{foreign x}}', 'a\u202egpj.exe<b>', '<bdi>a\ufffdgpj.exe&lt;b&gt;</bdi>'],
    ['<a{{attrs id=x disabled=true hidden=false}}>', '"><script>', '<a disabled id="&quot;&gt;&lt;script&gt;">'],
    ['{{#if (and (eq x 1) (not (gt x 2)))}}y{{/if}}', 1, 'y'],
    ['{{csrf}}', '', '<input type="hidden" name="_csrf" value="token">'],
  ])('%s of %j is %j', (text, x, expected) => {
    expect(render(text, { x })).toBe(expected);
  });

  it('refuse attributes that the content policy forbids', () => {
    expect(() => render('<a{{attrs onclick=x}}>', { x: 'y' })).toThrow(/onclick/);
    expect(() => render('<a{{attrs style=x}}>', { x: 'y' })).toThrow(/style/);
  });
});
