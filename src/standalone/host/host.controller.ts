import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get, Inject, Logger, Post, Req, Res } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import type { Request, Response } from 'express';
import { ConnectionTestsService } from '../../jobs/connection-tests.service.js';
import { JobError } from '../../jobs/contract.js';
import type { Principal } from '../../panel/host-panel.js';
import { SESSION_COOKIE, type StandalonePanel } from '../panel.js';
import { DEFAULT_TENANT } from '../people.js';
import { passwordMatches } from '../passwords.js';
import { readCookie, writeCookie } from '../session-cookie.js';
import type { SandboxRuntime } from '../runtime.js';
import type { Settings } from '../settings.js';
import { SESSION_HOURS, type StandaloneStore, type Subject } from '../store.js';
import { FormError, FormTokens, readForm } from './forms.js';
import { HostPages, ownHtml } from './pages.js';
import { SignInLimit } from './sign-in-limit.js';

export const HOST_OPTIONS = Symbol('mailferry.standalone.host');
export interface HostOptions {
  readonly settings: Settings;
  readonly panel: StandalonePanel;
  readonly store: StandaloneStore;
  /** The master keys. */
  readonly keys: string;
  /** For a hint on the page: what there is to try it with. */
  readonly sandbox: SandboxRuntime | null;
  /** Whether there is a mail server at which a mailbox's own password can be checked. */
  readonly hasDestination: boolean;
}

/** Ties a sign-in form to the browser it was shown in. */
const FORM_COOKIE = 'mailferry-form';
/** The page is shown without the list of running migrations when that takes longer (ms). */
const WIDGET_MS = 2_000;
const MAX_WIDGET = 256 * 1024;
const WRONG = 'Name or password is wrong.';
const ADDRESS = /^[^\s@*%\\/\x00-\x1f\x7f]+@[^\s@*%\\/\x00-\x1f\x7f]+$/;

/** The small panel around the plugin: sign-in, the mail settings page, sign-out. */
@Controller()
export class HostController {
  private readonly log = new Logger('mailferry:sign-in');
  private readonly pages: HostPages;
  private readonly tokens: FormTokens;
  private readonly limit = new SignInLimit();

  constructor(
    @Inject(HOST_OPTIONS) private readonly options: HostOptions,
    private readonly modules: ModuleRef,
    private readonly adapter: HttpAdapterHost,
  ) {
    this.pages = new HostPages(options.settings.basePath);
    this.tokens = new FormTokens(options.keys);
  }

  @Get('/')
  async start(@Req() request: Request, @Res() response: Response): Promise<void> {
    if (await this.options.panel.resolveIdentity(request)) response.redirect(303, '/mail-settings');
    else await this.signInPage(request, response, 200, null, '');
  }

  @Get('/mail-settings')
  async mailSettings(@Req() request: Request, @Res() response: Response): Promise<void> {
    const who = await this.options.panel.resolveIdentity(request);
    if (!who) return response.redirect(303, '/');
    const secret = readCookie(request, SESSION_COOKIE, this.options.panel.https) ?? '';
    const widget = await this.widget(request);
    response.status(200).send(
      this.pages.render('mail-settings', {
        ...(await this.brand()),
        title: 'Mail settings',
        person: who.name ?? who.sub,
        csrf: this.tokens.make(secret),
        mailboxes: who.mailboxes,
        links: linksFor(who, this.options.settings.basePath),
        trial: trialFor(who, this.options.sandbox),
        widget: widget === null ? null : ownHtml(widget),
      }),
    );
  }

  @Post('/panel/sign-in')
  async signIn(@Req() request: Request, @Res() response: Response): Promise<void> {
    let name = '';
    try {
      const form = await this.form(request, FORM_COOKIE);
      name = (form.get('name') ?? '').trim().slice(0, 320);
      const subject = await this.check(request, name, form.get('password') ?? '');
      if (!subject) return await this.signInPage(request, response, 401, WRONG, name);
      await this.enter(response, subject);
    } catch (error) {
      await this.refuse(request, response, error, name);
    }
  }

  @Post('/panel/sandbox')
  async enterSandbox(@Req() request: Request, @Res() response: Response): Promise<void> {
    try {
      const form = await this.form(request, FORM_COOKIE);
      const person = this.options.panel.people.find((one) => one.name === form.get('person'));
      if (!person) throw new FormError(403, 'There is no such person here.');
      await this.enter(response, { kind: 'sandbox', name: person.name });
    } catch (error) {
      await this.refuse(request, response, error, '');
    }
  }

  @Post('/panel/sign-out')
  async signOut(@Req() request: Request, @Res() response: Response): Promise<void> {
    try {
      await this.form(request, SESSION_COOKIE);
      const secret = readCookie(request, SESSION_COOKIE, this.options.panel.https);
      if (secret) await this.options.store.closeSession(secret);
      writeCookie(response, SESSION_COOKIE, '', this.options.panel.https, 0);
      response.redirect(303, '/');
    } catch (error) {
      await this.refuse(request, response, error, '');
    }
  }

  /** Null: name or password is wrong, and it is not said which. */
  private async check(request: Request, name: string, password: string): Promise<Subject | null> {
    if (name === '' || password === '') return null;
    const ip = request.ip ?? '';
    const account = this.options.settings.accounts.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (account || !ADDRESS.test(name) || !this.options.hasDestination) {
      const right = await this.limit.check(ip, name, () => passwordMatches(password, account?.passwordHash ?? null));
      return right && account ? { kind: 'account', name: account.name } : null;
    }
    const address = name.toLowerCase();
    const domains = this.options.panel.signInDomains;
    if (domains.length && !domains.includes(address.slice(address.lastIndexOf('@') + 1))) return null;
    const tests = this.modules.get(ConnectionTestsService, { strict: false });
    const { ok, code } = await tests.signIn(DEFAULT_TENANT, address, password, ip);
    if (ok) {
      await this.options.store.tell(DEFAULT_TENANT, 'mailbox', [address]);
      return { kind: 'mailbox', address };
    }
    if (code.startsWith('AUTH_')) return null;
    if (code === 'RATE_LIMITED') throw new FormError(429, 'Too many attempts. Please wait some minutes and try again.');
    this.log.warn(`sign-in could not be checked: ${code}`);
    throw new FormError(503, 'The mail server cannot be asked at the moment. Please try again in a minute.');
  }

  private async enter(response: Response, subject: Subject): Promise<void> {
    const { https } = this.options.panel;
    const secret = await this.options.store.openSession(subject);
    writeCookie(response, SESSION_COOKIE, secret, https, SESSION_HOURS * 3600);
    writeCookie(response, FORM_COOKIE, '', https, 0);
    response.redirect(303, '/mail-settings');
  }

  /** The form's fields, when it came from a page of ours in this browser. */
  private async form(request: Request, boundTo: string): Promise<URLSearchParams> {
    const form = await readForm(request);
    const site = request.headers['sec-fetch-site'];
    const ours = site === undefined || site === 'same-origin' || site === 'none';
    if (!ours || !this.tokens.matches(readCookie(request, boundTo, this.options.panel.https), form.get('_csrf')))
      throw new FormError(403, 'This form is too old. Please try again.');
    return form;
  }

  private async refuse(request: Request, response: Response, error: unknown, name: string): Promise<void> {
    if (error instanceof FormError) return this.signInPage(request, response, error.status, error.message, name);
    if (error instanceof JobError && error.code === 'RATE_LIMITED')
      return this.signInPage(request, response, 429, 'Too many attempts. Please wait and try again.', name);
    if (error instanceof JobError && error.code === 'VALIDATION')
      return this.signInPage(request, response, 401, WRONG, name);
    this.log.error(`sign-in failed: ${error instanceof Error ? error.message : 'unknown'}`);
    return this.signInPage(request, response, 503, 'Signing in is not possible at the moment. Please try again.', name);
  }

  private async signInPage(
    request: Request,
    response: Response,
    status: number,
    error: string | null,
    name: string,
  ): Promise<void> {
    const { https, people } = this.options.panel;
    let cookie = readCookie(request, FORM_COOKIE, https);
    if (cookie === null) {
      cookie = randomBytes(32).toString('base64url');
      writeCookie(response, FORM_COOKIE, cookie, https, null);
    }
    response.status(status).send(
      this.pages.render('sign-in', {
        ...(await this.brand()),
        title: 'Sign in',
        csrf: this.tokens.make(cookie),
        people,
        error,
        name,
        byMailbox: this.options.hasDestination,
      }),
    );
  }

  private async brand(): Promise<{ brand: string; logo: string | null; accent: string | null }> {
    const { name, logoUrl, accent } = await this.options.panel.branding();
    return {
      brand: name,
      logo: logoUrl?.startsWith('/') ? logoUrl : null,
      accent: accent?.slice(1).toLowerCase() ?? null,
    };
  }

  /** The plugin's fragment, asked for like any panel behind the same host name would; null: not to be had. */
  private widget(request: Request): Promise<string | null> {
    const address = (this.adapter.httpAdapter.getHttpServer() as { address(): AddressInfo | string | null }).address();
    if (address === null || typeof address === 'string') return Promise.resolve(null);
    const host = address.address === '::' ? '::1' : address.address === '0.0.0.0' ? '127.0.0.1' : address.address;
    return new Promise((done) => {
      const asked = httpRequest(
        {
          host,
          port: address.port,
          path: `${this.options.settings.basePath}/widget`,
          headers: { cookie: request.headers.cookie ?? '' },
        },
        (answer) => {
          let html = '';
          answer.setEncoding('utf8');
          answer.on('data', (text: string) => {
            html += text;
            if (html.length > MAX_WIDGET) asked.destroy();
          });
          answer.on('end', () => done(answer.statusCode === 200 ? html : null));
        },
      );
      asked.setTimeout(WIDGET_MS, () => asked.destroy());
      asked.on('error', () => done(null));
      asked.on('close', () => done(null));
      asked.end();
    });
  }
}

function linksFor(who: Principal, base: string): { href: string; label: string; hint: string }[] {
  const links = [];
  if (who.mailboxes.length || who.role === 'user')
    links.push({
      href: base,
      label: 'Mailbox migration',
      hint: 'Bring mail, contacts and calendars from your old provider.',
    });
  if (who.role === 'domain-admin')
    for (const domain of who.domains)
      links.push({
        href: `${base}/domains/${encodeURIComponent(domain)}`,
        label: `Mailbox migration for ${domain}`,
        hint: 'Move the mailboxes of your domain.',
      });
  if (who.role === 'support')
    links.push({ href: `${base}/admin`, label: 'Mailbox migrations', hint: 'Every migration, what failed and why.' });
  return links;
}

/** Sandbox: the old mailbox of the person, or of anybody. */
function trialFor(who: Principal, sandbox: SandboxRuntime | null): Record<string, unknown> | null {
  if (!sandbox || who.role === 'support') return null;
  const { host, port, dav, accounts } = sandbox.oldProvider;
  const account = accounts.find(({ user }) => user.startsWith(`${who.sub}@`)) ?? accounts[0];
  return account ? { host, port, davUrl: dav?.url ?? null, ...account } : null;
}
