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
      knownHelpersOnly: true,
      knownHelpers: Object.fromEntries([...BUILT_IN, ...Object.keys(helpers)].map((name) => [name, true])) as never,
      // A partial sees its parameters and @root only: nothing of the caller leaks in by a name that both use.
      explicitPartialContext: true,
    };
    for (const [name, source] of sources) {
      try {
        const problems = check(this.hbs.parse(source), (key) => parts.words.has(key), sources);
        if (problems.length > 0) throw new Error(problems.join('; '));
        // compile() is lazy; this makes its complaints come now.
        this.hbs.precompile(source, options);
      } catch (error) {
        throw new Error(`views/${name}.hbs: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
      const template = this.hbs.compile(source, options);
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

/** What a template may not do, found in its syntax tree. */
export function check(
  program: hbs.AST.Program,
  hasWord: (key: string) => boolean,
  known: ReadonlyMap<string, unknown>,
): string[] {
  const problems: string[] = [];

  class Inspector extends Handlebars.Visitor {
    override MustacheStatement(node: hbs.AST.MustacheStatement): void {
      const raw = node as hbs.AST.MustacheStatement & { escaped: boolean };
      if (!raw.escaped) problems.push(`line ${node.loc.start.line}: unescaped output is forbidden`);
      this.words(node.path, node.params);
      super.MustacheStatement(node);
    }
    override SubExpression(node: hbs.AST.SubExpression): void {
      this.words(node.path, node.params);
      super.SubExpression(node);
    }
    override PartialStatement(node: hbs.AST.PartialStatement): void {
      this.partial(node.name, node.loc.start.line);
      super.PartialStatement(node);
    }
    override BlockStatement(node: hbs.AST.BlockStatement): void {
      const first = node.params[0];
      if ((node.path as hbs.AST.PathExpression).original === 'ui' && first?.type === 'StringLiteral')
        this.known(`ui/${(first as hbs.AST.StringLiteral).value}`, node.loc.start.line);
      super.BlockStatement(node);
    }
    override PartialBlockStatement(node: hbs.AST.PartialBlockStatement): void {
      problems.push(`line ${node.loc.start.line}: use {{#ui "name"}} instead of a partial block`);
    }
    private words(path: unknown, params: readonly hbs.AST.Expression[]): void {
      const first = params[0];
      if ((path as hbs.AST.PathExpression).original !== 't' || first?.type !== 'StringLiteral') return;
      const key = (first as hbs.AST.StringLiteral).value;
      if (!hasWord(key)) problems.push(`line ${first.loc.start.line}: no words for "${key}"`);
    }
    private partial(name: unknown, line: number): void {
      const path = name as hbs.AST.PathExpression;
      if (path.type !== 'PathExpression') problems.push(`line ${line}: a partial is named, not computed`);
      else this.known(path.original, line);
    }
    private known(name: string, line: number): void {
      if (!known.has(name) && !known.has(`partials/${name}`)) problems.push(`line ${line}: no partial ${name}`);
    }
  }
  new Inspector().accept(program);
  return problems;
}
