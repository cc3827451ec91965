import Handlebars from 'handlebars';
import { formatBytes, formatDate, formatDuration, formatNumber, formatPercent, visible } from './format.js';
import type { Words } from './words.js';

/** What every template finds at `@root` beside its own model. */
export interface Root {
  readonly lang: string;
  readonly csrf: string;
  readonly [key: string]: unknown;
}

interface Call {
  readonly hash: Readonly<Record<string, unknown>>;
  readonly data: { readonly root: Root };
  fn?(context: unknown, options?: unknown): string;
}
type Helper = (this: unknown, ...args: never[]) => unknown;

export interface HelperParts {
  readonly words: Words;
  url(path: string): string;
  asset(name: string): string;
  /** Renders `ui/<name>` with this context. */
  partial(name: string, context: object, data: unknown): string;
}

const { SafeString, escapeExpression: esc } = Handlebars;

function call(args: readonly unknown[]): Call {
  return args[args.length - 1] as Call;
}
function values(args: readonly unknown[]): unknown[] {
  return args.slice(0, -1);
}
function toNumber(value: unknown): number | null {
  if (value === null || value === undefined || value === '') return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/**
 * All helpers, by name. Only `csrf`, `date`, `foreign`, `attrs` and `ui` answer with markup, and each escapes what
 * it puts into it; everything else is text and escaped by Handlebars.
 */
export function makeHelpers(parts: HelperParts): Record<string, Helper> {
  const locale = (args: readonly unknown[]) => call(args).data.root.lang;

  return {
    /** {{t "key" name=value}} */
    t: (...args: unknown[]) => parts.words.say(locale(args), String(args[0]), call(args).hash),
    /** {{url "/jobs/" id "/report"}}: segments are encoded unless they hold a slash of ours (the first one). */
    url: (...args: unknown[]) =>
      parts.url(
        values(args)
          .map((part, i) => (typeof part === 'string' && (i === 0 || part.startsWith('/')) ? part : encode(part)))
          .join(''),
      ),
    asset: (...args: unknown[]) => parts.asset(String(args[0])),
    /** The hidden field every posting form needs. */
    csrf: (...args: unknown[]) =>
      new SafeString(`<input type="hidden" name="_csrf" value="${esc(call(args).data.root.csrf)}">`),

    bytes: (...args: unknown[]) => {
      const number = toNumber(args[0]);
      return number === null ? '' : formatBytes(number, locale(args));
    },
    number: (...args: unknown[]) => {
      const number = toNumber(args[0]);
      return number === null ? '' : formatNumber(number, locale(args), Number(call(args).hash['digits'] ?? 0));
    },
    /** {{percent part whole}} */
    percent: (...args: unknown[]) => formatPercent(toNumber(args[0]) ?? 0, toNumber(args[1]) ?? 0, locale(args)),
    duration: (...args: unknown[]) => {
      const number = toNumber(args[0]);
      return number === null ? '' : formatDuration(number);
    },
    /** {{date iso}} or {{date iso style="date"}}: a time element, made local by the page's script. */
    date: (...args: unknown[]) => {
      const value = args[0];
      if (typeof value !== 'string' && !(value instanceof Date)) return '';
      const style = (call(args).hash['style'] ?? 'datetime') as 'date' | 'datetime' | 'time';
      const text = formatDate(value, locale(args), style);
      if (text === '') return '';
      const suffix = style === 'date' ? '' : ' UTC';
      return new SafeString(
        `<time datetime="${esc(new Date(value).toISOString())}" data-local="${esc(style)}">${esc(text + suffix)}</time>`,
      );
    },
    /** {{foreign folder.path}}: what a server or a mail said; isolated, so that it cannot reorder our own text. */
    foreign: (...args: unknown[]) => new SafeString(`<bdi>${esc(visible(String(args[0] ?? '')))}</bdi>`),
    /** {{attrs id=x aria-label=y}}: left out where null, undefined or false; bare where true. */
    attrs: (...args: unknown[]) => {
      const list = Object.entries(call(args).hash).flatMap(([name, value]) => {
        if (value === undefined || value === null || value === false || !/^[a-z][a-z0-9-]*$/.test(name)) return [];
        if (/^(on|style$)/.test(name)) throw new Error(`attrs: ${name} is not allowed by our content policy`);
        return [value === true ? ` ${name}` : ` ${name}="${esc(String(value))}"`];
      });
      return new SafeString(list.join(''));
    },

    eq: (a: unknown, b: unknown) => a === b,
    ne: (a: unknown, b: unknown) => a !== b,
    gt: (a: unknown, b: unknown) => Number(a) > Number(b),
    and: (...args: unknown[]) => values(args).reduce((left, right) => left && right),
    or: (...args: unknown[]) => values(args).find(Boolean) ?? false,
    not: (value: unknown) => !value,
    has: (list: unknown, value: unknown) => Array.isArray(list) && list.includes(value),
    sum: (...args: unknown[]) => values(args).reduce<number>((sum, value) => sum + (toNumber(value) ?? 0), 0),
    concat: (...args: unknown[]) => values(args).join(''),
    /** (object label="x" href="y"): a plain object, for a partial's parameter. */
    object: (...args: unknown[]) => ({ ...call(args).hash }),
    list: (...args: unknown[]) => values(args),

    /** {{#ui "card" title=x}}body{{/ui}}: a partial around a body that keeps the caller's context. */
    ui(this: unknown, ...args: unknown[]) {
      const options = call(args);
      if (options.fn === undefined) throw new Error('ui is a block helper: {{#ui "card"}}...{{/ui}}');
      // The body is a template's own output: already escaped.
      const body = new SafeString(options.fn(this, { data: options.data }));
      return new SafeString(parts.partial(`ui/${String(args[0])}`, { ...options.hash, body }, options.data));
    },
  };
}

function encode(part: unknown): string {
  return encodeURIComponent(String(part));
}
