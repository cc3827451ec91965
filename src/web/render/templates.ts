import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import Handlebars from 'handlebars';
import { makeHelpers, type HelperParts } from './helpers.js';

type Compiled = Handlebars.TemplateDelegate;

const BUILT_IN = ['if', 'unless', 'each', 'with', 'lookup'];

/**
 * The views folder, read once and checked at boot. A template that would not work stops the start: unknown helper,
 * unknown partial, a word nobody wrote, or markup that is not escaped.
 */
export class Templates {
  private readonly hbs = Handlebars.create();
  private readonly compiled = new Map<string, Compiled>();

  constructor(folder: string, parts: Omit<HelperParts, 'partial'>) {
    const helpers = makeHelpers({ ...parts, partial: (name, context, data) => this.render(name, context, data) });
    for (const [name, helper] of Object.entries(helpers)) this.hbs.registerHelper(name, helper as never);
    this.hbs.unregisterHelper('log');

    const sources = readViews(folder);
    const options: CompileOptions = {
      // A misspelt value throws instead of leaving a hole in the page.
      strict: true,
      // A partial's lines are not indented like its call: what stands in a textarea would change.
      preventIndent: true,
      knownHelpersOnly: true,
      knownHelpers: Object.fromEntries([...BUILT_IN, ...Object.keys(helpers)].map((name) => [name, true])) as never,
      // A partial sees its parameters and @root only: nothing of the caller leaks in by a name that both use.
      explicitPartialContext: true,
    };
    const known = { word: (key: string) => parts.words.has(key), views: sources, helpers: options.knownHelpers ?? {} };
    for (const [name, source] of sources) {
      const program = parse(this.hbs, name, source);
      const problems = check(program, known);
      if (problems.length > 0) throw new Error(`views/${name}.hbs: ${problems.join('; ')}`);
      const template = this.hbs.compile(program, options);
      this.compiled.set(name, template);
      // Partials are named as in the file system below partials/, all others by their whole name.
      this.hbs.registerPartial(name.replace(/^partials\//, ''), template);
    }
  }

  has(name: string): boolean {
    return this.compiled.has(name) || this.compiled.has(`partials/${name}`);
  }

  names(): string[] {
    return [...this.compiled.keys()];
  }

  /** @throws Error naming the template, when there is none or a value is missing. */
  render(name: string, context: object, data?: unknown): string {
    const template = this.compiled.get(name) ?? this.compiled.get(`partials/${name}`);
    if (template === undefined) throw new Error(`no template views/${name}.hbs`);
    return template(context, data === undefined ? undefined : { data: data as never });
  }
}

function readViews(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.hbs')) continue;
    const file = join(entry.parentPath, entry.name);
    const name = relative(folder, file).split(sep).join('/').slice(0, -'.hbs'.length);
    found.set(name, readFileSync(file, 'utf8'));
  }
  return found;
}

function parse(hbs: typeof Handlebars, name: string, source: string): hbs.AST.Program {
  try {
    return hbs.parse(source);
  } catch (error) {
    throw new Error(`views/${name}.hbs: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

type Called = Pick<hbs.AST.MustacheStatement | hbs.AST.SubExpression, 'path' | 'params' | 'hash' | 'loc'>;

interface Known {
  word(key: string): boolean;
  readonly views: ReadonlyMap<string, unknown>;
  readonly helpers: Readonly<Record<string, unknown>>;
}

/**
 * What a template may not do, found in its syntax tree. Compiling would find unknown helpers too, but only when the
 * page is first asked for, and compiling all at boot takes a second.
 */
function check(program: hbs.AST.Program, known: Known): string[] {
  const problems: string[] = [];

  class Inspector extends Handlebars.Visitor {
    override MustacheStatement(node: hbs.AST.MustacheStatement): void {
      const raw = node as hbs.AST.MustacheStatement & { escaped: boolean };
      if (!raw.escaped) problems.push(`line ${node.loc.start.line}: unescaped output is forbidden`);
      this.call(node);
      super.MustacheStatement(node);
    }
    override SubExpression(node: hbs.AST.SubExpression): void {
      this.call(node);
      super.SubExpression(node);
    }
    override PartialStatement(node: hbs.AST.PartialStatement): void {
      this.partial(node.name, node.loc.start.line);
      super.PartialStatement(node);
    }
    override BlockStatement(node: hbs.AST.BlockStatement): void {
      this.call(node);
      const first = node.params[0];
      if (node.path.original === 'ui' && first?.type === 'StringLiteral')
        this.view(`ui/${(first as hbs.AST.StringLiteral).value}`, node.loc.start.line);
      super.BlockStatement(node);
    }
    override PartialBlockStatement(node: hbs.AST.PartialBlockStatement): void {
      problems.push(`line ${node.loc.start.line}: use {{#ui "name"}} instead of a partial block`);
    }
    private call({ path, params, hash, loc }: Called): void {
      const name = (path as hbs.AST.PathExpression).original;
      const isCall = params.length > 0 || (hash?.pairs.length ?? 0) > 0;
      if (isCall && !Object.hasOwn(known.helpers, name)) problems.push(`line ${loc.start.line}: no helper "${name}"`);
      const first = params[0];
      if (name !== 't' || first?.type !== 'StringLiteral') return;
      const key = (first as hbs.AST.StringLiteral).value;
      if (!known.word(key)) problems.push(`line ${loc.start.line}: no words for "${key}"`);
    }
    private partial(name: unknown, line: number): void {
      const path = name as hbs.AST.PathExpression;
      if (path.type !== 'PathExpression') problems.push(`line ${line}: a partial is named, not computed`);
      else this.view(path.original, line);
    }
    private view(name: string, line: number): void {
      if (!known.views.has(name) && !known.views.has(`partials/${name}`))
        problems.push(`line ${line}: no partial ${name}`);
    }
  }
  new Inspector().accept(program);
  return problems;
}
