import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Handlebars from 'handlebars';
import { PACKAGE_DIR } from '../infra/places.js';

const PAGES = ['sign-in', 'mail-settings'] as const;
export type PageName = (typeof PAGES)[number];

/** This host's own pages, by an instance of Handlebars of their own, with the plugin's style sheets around them. */
export class HostPages {
  private readonly layout: Handlebars.TemplateDelegate;
  private readonly pages: ReadonlyMap<PageName, Handlebars.TemplateDelegate>;

  /** @param base where the migration pages live: their assets are used here, too. */
  constructor(private readonly base: string) {
    const own = Handlebars.create();
    const read = (name: string): Handlebars.TemplateDelegate =>
      own.compile(readFileSync(join(PACKAGE_DIR, 'views', 'standalone', `${name}.hbs`), 'utf8'), {
        strict: true,
        knownHelpersOnly: false,
      });
    this.layout = read('layout');
    this.pages = new Map(PAGES.map((name) => [name, read(name)]));
  }

  render(name: PageName, model: Readonly<Record<string, unknown>> & { readonly title: string }): string {
    const page = this.pages.get(name);
    if (!page) throw new Error(`no page ${name}`);
    // The page is our own escaped output.
    const body = new Handlebars.SafeString(page(model));
    return this.layout({ person: null, csrf: '', brand: 'Mailferry', accent: null, ...model, base: this.base, body });
  }
}

/** A fragment that our own process rendered and escaped. */
export function ownHtml(html: string): Handlebars.SafeString {
  return new Handlebars.SafeString(html);
}
