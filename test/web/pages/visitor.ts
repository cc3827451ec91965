import request, { type Response } from 'supertest';
import { PANEL_USER } from '../../fakes/fake-panel.js';
import type { WebApp } from '../web-app.js';

/** A person with a browser that knows no JavaScript: looks at pages, fills in their forms, follows redirects. */
export class PagesVisitor {
  page!: Response;
  path = '';

  constructor(
    private readonly web: WebApp,
    private readonly who: string,
  ) {}

  /** @param path below the base path */
  async goto(path: string): Promise<this> {
    return this.take(await this.ask('get', `/migrate${path}`));
  }

  /** Sends the page's first form to `action` (or the one whose action ends so) with these fields typed in. */
  async submit(action: string, typed: Readonly<Record<string, string | string[]>>): Promise<this> {
    const form = formsOf(this.page.text).find((one) => one.action.endsWith(action));
    if (!form) throw new Error(`no form to ${action} on ${this.path}`);
    const fields = { ...form.fields, ...typed };
    const body = Object.entries(fields)
      .flatMap(([name, value]) => [value].flat().map((one) => [name, one] as [string, string]))
      .reduce((params, [name, value]) => (params.append(name, value), params), new URLSearchParams());
    return this.take(await this.ask('post', form.action, body.toString()));
  }

  /** The same with files, each [name, content]; without any it is as if nobody chose one. */
  async upload(
    action: string,
    typed: Readonly<Record<string, string>>,
    files: readonly (readonly [string, string])[],
  ): Promise<this> {
    const form = formsOf(this.page.text).find((one) => one.action.endsWith(action));
    if (!form) throw new Error(`no form to ${action} on ${this.path}`);
    const sending = this.ask('post', form.action);
    const { files: _chosen, ...fields } = form.fields;
    for (const [name, value] of Object.entries({ ...fields, ...typed }))
      if (name === '_csrf') void sending.field(name, value);
    if (files.length === 0) void sending.attach('files', Buffer.alloc(0), { filename: '' });
    for (const [name, content] of files) void sending.attach('files', Buffer.from(content, 'latin1'), name);
    // The button that was pressed stands after the files in the form.
    for (const [name, value] of Object.entries({ ...fields, ...typed }))
      if (name !== '_csrf') void sending.field(name, value);
    return this.take(await sending);
  }

  /** The page's words, without markup. */
  get text(): string {
    return textOf(this.page.text);
  }

  get title(): string {
    return textOf(/<h1[^>]*>([\s\S]*?)<\/h1>/.exec(this.page.text)?.[1] ?? '');
  }

  /** What a field shows. */
  value(name: string): string | undefined {
    return formsOf(this.page.text)
      .map(({ fields }) => fields[name])
      .flat()
      .find((value) => value !== undefined);
  }

  /** The sentence next to a field. */
  error(name: string): string {
    const found = new RegExp(`id="e-${name}"[^>]*>([^<]*)<`).exec(this.page.text)?.[1];
    return unescape(found ?? '');
  }

  private ask(method: 'get' | 'post', path: string, body?: string): request.Test {
    const asked = request(this.web.server)[method](path).set(PANEL_USER, this.who);
    return body === undefined ? asked : asked.type('form').send(body);
  }

  private async take(answer: Response): Promise<this> {
    this.page = answer;
    this.path = answer.request.url.replace(/^https?:\/\/[^/]+\/migrate/, '');
    const to = answer.headers['location'] as string | undefined;
    if (answer.status === 303 && to !== undefined) return this.take(await this.ask('get', to));
    return this;
  }
}

interface Form {
  readonly action: string;
  readonly fields: Readonly<Record<string, string | string[]>>;
}

/** The forms of a page with what they would send if nothing was touched. Buttons are left out. */
export function formsOf(html: string): Form[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head, body]) => {
    const fields: Record<string, string | string[]> = {};
    const add = (name: string, value: string): void => {
      const before = fields[name];
      fields[name] = before === undefined ? value : [before, value].flat();
    };
    for (const [tag] of body!.matchAll(/<input\b[^>]*>/g)) {
      const name = attribute(tag, 'name');
      const type = attribute(tag, 'type');
      if (name === null || / disabled/.test(tag)) continue;
      if ((type === 'checkbox' || type === 'radio') && !/ checked/.test(tag)) continue;
      add(name, attribute(tag, 'value') ?? '');
    }
    for (const [, name, text] of body!.matchAll(/<textarea\b[^>]*name="([^"]*)"[^>]*>([\s\S]*?)<\/textarea>/g))
      add(name!, unescape(text!));
    for (const [, name, options] of body!.matchAll(/<select\b[^>]*name="([^"]*)"[^>]*>([\s\S]*?)<\/select>/g))
      add(name!, /<option value="([^"]*)"[^>]* selected/.exec(options!)?.[1] ?? '');
    return { action: attribute(head!, 'action') ?? '', fields };
  });
}

/** What is read on the page: no markup, blanks as one. */
function textOf(html: string): string {
  return unescape(html.replace(/<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim();
}

function attribute(tag: string, name: string): string | null {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
  return value === undefined ? null : unescape(value);
}

function unescape(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#x27;', "'")
    .replaceAll('&#x3D;', '=')
    .replaceAll('&#x60;', '`')
    .replaceAll('&amp;', '&');
}
