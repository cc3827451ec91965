import { join } from 'node:path';
import Handlebars from 'handlebars';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Branding, HostPanel } from '../../panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { csrfToken, WebKeys } from '../auth/csrf.js';
import type { Request, Response } from '../http.js';
import { contentSecurityPolicy } from '../security-headers.js';
import { Site } from '../site.js';
import { visitorOf } from '../visitor.js';
import { accentOf } from './accent.js';
import { Assets } from './assets.js';
import { visible } from './format.js';
import { Templates } from './templates.js';
import { Words } from './words.js';

/** What a page tells the layout, beside its own values. */
export interface PageModel {
  /** Title of the window and, if the page makes no header of its own, nothing else. */
  readonly title: string;
  /** Which entry of the navigation is lit. */
  readonly section?: 'home' | 'domain' | 'admin';
  /** Seconds after which a browser without JavaScript loads the page again. */
  readonly refreshSeconds?: number;
  readonly [key: string]: unknown;
}

const NO_BRAND: Branding = { name: 'Mailferry' };

/** Renders our views to strings; the host's own view engine never hears of them. */
@Injectable()
export class Renderer {
  readonly words: Words;
  readonly assets: Assets;
  private readonly templates: Templates;
  private readonly log = new Logger('MailferryPages');

  constructor(
    private readonly site: Site,
    private readonly keys: WebKeys,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
  ) {
    const views = join(options.packageDir, 'views');
    this.words = Words.load(join(views, 'locales'));
    this.assets = new Assets(join(views, 'assets'));
    this.templates = new Templates(views, {
      words: this.words,
      url: (path) => site.url(path),
      asset: (name) => this.assetUrl(name),
    });
  }

  /** A whole page in the panel's layout, or in the bare one when it is shown in an iframe. Sets type and policy. */
  async page(req: Request, res: Response, name: string, model: PageModel): Promise<string> {
    const root = this.root(req, model);
    const brand = await this.branding(req);
    const logo = logoOf(brand);
    if (logo?.origin != null)
      res.setHeader('Content-Security-Policy', contentSecurityPolicy(this.options.frameAncestors, [logo.origin]));
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.setHeader('Vary', 'Sec-Fetch-Dest, Cookie');
    const principal = visitorOf(req)?.principal ?? null;
    const body = this.templates.render(name, root, { root });
    const layout = req.headers['sec-fetch-dest'] === 'iframe' ? 'layouts/bare' : 'layouts/panel';
    const frame = {
      ...root,
      title: visible(model.title),
      section: model.section ?? null,
      refreshSeconds: model.refreshSeconds ?? null,
      body: safe(body),
      brand: {
        name: visible(brand.name),
        logo: logo?.url ?? null,
        homeUrl: linkOf(brand.homeUrl),
        supportUrl: linkOf(brand.supportUrl),
      },
      accent: accentOf(brand.accent),
      person: principal === null ? null : { name: visible(principal.name ?? principal.sub), role: principal.role },
      signedInHere: visitorOf(req)?.by === 'cookie',
      nav: principal === null ? [] : this.navigation(principal.role, principal.domains, model.section),
    };
    return this.templates.render(layout, frame, { root: frame });
  }

  /** A piece of a page, without layout: for the widget and for parts that the script loads. */
  fragment(req: Request, res: Response, name: string, model: Readonly<Record<string, unknown>>): string {
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    const root = this.root(req, model);
    return this.templates.render(name, root, { root });
  }

  /** For a controller that needs a word itself, e.g. a page's title. */
  t(req: Request, key: string, values?: Readonly<Record<string, unknown>>): string {
    return this.words.say(this.language(req), key, values);
  }

  language(req: Request): string {
    return this.words.language(visitorOf(req)?.principal.locale ?? req.acceptsLanguages?.()[0]);
  }

  assetUrl(name: string): string {
    const asset = this.assets.get(name);
    if (asset === null) throw new Error(`no asset ${name}`);
    return this.site.url(`/assets/${asset.hash}/${name}`);
  }

  private root(req: Request, model: Readonly<Record<string, unknown>>) {
    const visitor = visitorOf(req);
    const scope = visitor?.csrfScope ?? null;
    return {
      ...model,
      lang: this.language(req),
      csrf: scope === null ? '' : csrfToken(this.keys.csrf, scope),
      path: this.site.pathOf(req),
      role: visitor?.principal.role ?? null,
    };
  }

  private navigation(role: string, domains: readonly string[], section: PageModel['section']) {
    const entries = [{ href: '/', key: 'layout.nav.home', icon: 'mail', current: section === 'home' }];
    const domain = domains[0];
    if (role === 'domain-admin' && domain !== undefined)
      entries.push({
        href: `/domains/${domain}`,
        key: 'layout.nav.domain',
        icon: 'users',
        current: section === 'domain',
      });
    if (role === 'support')
      entries.push({ href: '/admin', key: 'layout.nav.admin', icon: 'list', current: section === 'admin' });
    return entries;
  }

  private async branding(req: Request): Promise<Branding> {
    try {
      return await this.panel.branding(visitorOf(req)?.principal.tenantId ?? '');
    } catch (error) {
      // A page without the panel's colours is better than no page.
      this.log.warn(`branding failed: ${error instanceof Error ? error.name : 'unknown'}`);
      return NO_BRAND;
    }
  }
}

/** A template's own output, which Handlebars has escaped already. */
function safe(html: string): Handlebars.SafeString {
  return new Handlebars.SafeString(html);
}

/** http(s) links and paths of the panel only: a `javascript:` address from a careless panel stays out. */
function linkOf(url: string | undefined): string | null {
  if (url === undefined) return null;
  return /^(https?:\/\/|\/(?!\/))/i.test(url) ? url : null;
}

function logoOf(brand: Branding): { url: string; origin: string | null } | null {
  const url = linkOf(brand.logoUrl);
  if (url === null) return null;
  return { url, origin: url.startsWith('/') ? null : URL.canParse(url) ? new URL(url).origin : null };
}
