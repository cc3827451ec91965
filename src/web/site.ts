import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import type { Request } from './http.js';

/** Where our pages live in the host's address space: a host may have put a global prefix before our base path. */
@Injectable()
export class Site {
  private readonly publicHttps: boolean | null;

  constructor(
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    private readonly config: ApplicationConfig,
  ) {
    this.publicHttps = options.publicUrl === null ? null : options.publicUrl.startsWith('https:');
  }

  /** Asked each time: the host sets its prefix after our providers were made. */
  get base(): string {
    const prefix = this.config.getGlobalPrefix().replace(/^\/+|\/+$/g, '');
    return (prefix === '' ? '' : `/${prefix}`) + this.options.basePath;
  }

  /** A path of ours as a link: `/jobs/7` becomes `/migrate/jobs/7`. Empty: the start page. */
  url(path: string): string {
    if (path === '' || path === '/') return this.base === '' ? '/' : this.base;
    return this.base + (path.startsWith('/') ? path : `/${path}`);
  }

  /** Absolute where the public address is known, else the path. */
  absolute(path: string): string {
    return this.options.publicUrl === null ? this.url(path) : new URL(this.url(path), this.options.publicUrl).href;
  }

  /** For somebody to hand on: where the public address is not known, the one that his own browser used. */
  handOn(req: Request, path: string): string {
    if (this.options.publicUrl !== null) return this.absolute(path);
    return `${this.isHttps(req) ? 'https' : 'http'}://${req.headers.host ?? 'localhost'}${this.url(path)}`;
  }

  /** The path of a request below our base, without the query: `/jobs/7`. */
  pathOf(req: Request): string {
    const path = (req.originalUrl ?? req.url).split('?', 1)[0] ?? '';
    return path.startsWith(this.base) ? path.slice(this.base.length) || '/' : path;
  }

  /**
   * Whether the browser speaks https to us. The public address decides where it is known. Without it only the
   * socket is believed: X-Forwarded-Proto is whatever the sender wrote, unless the host told Express to trust its
   * proxy, and then `req.secure` already says so.
   */
  isHttps(req: Request): boolean {
    return this.publicHttps ?? req.secure === true;
  }
}
