/** docs/faults.md names every known fault, and tests that there really are. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { KINDS } from '../faults/plan.js';
import { SCENES } from '../faults/scenes.js';

/** Known faults are numbered from 1 to this. */
const FAULTS = 100;
const OF_THE_SUITE = [
  ...KINDS,
  ...SCENES,
  'steps',
  'dav',
  'dav-steps',
  'product',
  'memory is checked after every trial',
];

interface Row {
  readonly line: number;
  readonly numbers: readonly number[];
  readonly fault: string;
  readonly shownBy: string;
}

const ROWS: readonly Row[] = readFileSync('docs/faults.md', 'utf8')
  .split('\n')
  .flatMap((text, at) => {
    const cells = /^\|([^|]*)\|(.*)\|$/.exec(text);
    if (cells === null || /^ ?(no\.|---)/.test(cells[1]!)) return [];
    // What a title says may hold no bar; what Mailferry does may.
    const rest = cells[2]!.split(' | ');
    const numbers = [...cells[1]!.matchAll(/\d+/g)].map(([number]) => Number(number));
    return [{ line: at + 1, numbers, fault: rest[0]!.trim(), shownBy: rest.at(-1)!.trim() }];
  });

interface Named {
  readonly file: string;
  readonly titles: readonly string[];
}
/** `path` (some of a title; of another one) */
function testsOf({ shownBy }: Row): Named[] {
  return [...shownBy.matchAll(/`([\w/.-]+\.ts)`(?: \(((?:[^()]|\([^()]*\))+)\))?/g)].map(([, file, titles = '']) => ({
    file: file!,
    titles: titles.split('; ').filter((title) => title !== ''),
  }));
}

const known = new Map<string, readonly string[]>();
/** All that the titles of a spec may say: those of its tests, and the words of the tables that fill them in. */
function titlesIn(file: string): readonly string[] {
  const before = known.get(file);
  if (before !== undefined) return before;
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const constants = new Map<string, ts.Node>();
  const found: string[] = [];
  const words = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    else if (ts.isTemplateExpression(node)) found.push(...textsOf(node));
    else if (ts.isIdentifier(node) && constants.has(node.text)) {
      const value = constants.get(node.text)!;
      constants.delete(node.text);
      words(value);
    } else if (!ts.isFunctionLike(node)) node.forEachChild(words);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.initializer && ts.isIdentifier(node.name))
      constants.set(node.name.text, node.initializer);
    if (ts.isCallExpression(node) && /^(it|test|describe)\b(?!\.skip)/.test(node.expression.getText(source))) {
      const [title] = node.arguments;
      if (title !== undefined && !ts.isArrayLiteralExpression(title) && !ts.isIdentifier(title)) words(title);
      if (ts.isCallExpression(node.expression)) node.expression.arguments.forEach(words);
    }
    node.forEachChild(visit);
  };
  visit(source);
  known.set(file, found);
  return found;
}

/** A title with something to be filled in, as it reads around that. */
function textsOf(template: ts.TemplateExpression): string[] {
  return [template.head.text, ...template.templateSpans.map(({ literal }) => literal.text)];
}

it('every known fault has a row, and no number has two', () => {
  const numbers = ROWS.flatMap((row) => row.numbers).sort((a, b) => a - b);
  expect(numbers).toEqual(Array.from({ length: FAULTS }, (_, n) => n + 1));
});

it.each(ROWS.map((row) => [row.line, row.fault, row] as const))(
  'line %d, "%s": the tests it names are there, or it says why there is none',
  (_line, _fault, row) => {
    const named = testsOf(row);
    const wrong = named.flatMap(({ file, titles }) => {
      const path = join('test', file);
      if (!existsSync(path)) return [`${file} is not there`];
      if (titles.length === 0) return [`${file}: no title is named`];
      return titles
        .filter((title) => !titlesIn(path).some((there) => there.includes(title)))
        .map((title) => `${file} has no test "${title}"`);
    });
    expect(wrong).toEqual([]);
    const suite = /suite: ([^`;]+)$/.exec(row.shownBy)?.[1]?.split(', ') ?? [];
    expect(suite.filter((kind) => !OF_THE_SUITE.includes(kind))).toEqual([]);
    const why = /\bnone(?::| of) ?(.+)/.exec(row.shownBy)?.[1] ?? '';
    expect(named.length + suite.length + why.split(' ').filter(Boolean).length).toBeGreaterThan(0);
    // Nothing is said in another way, where nobody would notice that it is not so.
    const rest = row.shownBy
      .replace(/`[\w/.-]+\.ts`(?: \((?:[^()]|\([^()]*\))+\))?/g, '')
      .replace(/(; )?suite: [^`;]+$/, '')
      .replace(/\bnone(:| of) .*/, '');
    expect(rest.replace(/[,;\s]/g, '')).toBe('');
  },
);

it('every kind and scene of the suite stands in some row', () => {
  const named = ROWS.flatMap(({ shownBy }) => /suite: ([^`;]+)$/.exec(shownBy)?.[1]?.split(', ') ?? []);
  const missing = [...KINDS, ...SCENES].filter((kind) => !named.includes(kind));
  expect(missing).toEqual([]);
});
