import { Global, Module } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import type { HostPanel, Permission, Principal } from '../../src/panel/host-panel.js';
import { HOST_API_VERSION } from '../../src/panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../../src/panel/options.js';
import { resolveOptions, type PluginOptions } from '../../src/plugin-options.js';
import {
  CONNECTION_TESTS_API,
  JOBS_API,
  PROGRESS_API,
  REPORTS_API,
  WEB_DATABASE,
  WEB_QUEUE,
} from '../../src/web/tokens.js';
import { WebModule } from '../../src/web/web.module.js';
import { PagesBackend } from './pages-backend.js';

export const PEOPLE: Readonly<Record<string, Principal>> = {
  anna: person('anna', 'user', { mailboxes: ['anna@new.test'] }),
  bob: person('bob', 'user', { mailboxes: ['bob@new.test', 'bob.sales@new.test'] }),
  dora: person('dora', 'domain-admin', { domains: ['new.test'], mailboxes: ['dora@new.test'] }),
  sam: person('sam', 'support', {}),
};

function person(sub: string, role: Principal['role'], has: Partial<Principal>): Principal {
  return {
    sub,
    role,
    tenantId: 't1',
    domains: [],
    mailboxes: [],
    locale: 'en',
    name: sub[0]!.toUpperCase() + sub.slice(1),
    ...has,
  };
}

/** A panel whose session is the cookie `who`. */
export class FakePanel implements HostPanel {
  readonly apiVersion = HOST_API_VERSION;
  denied: Permission[] = [];
  mailboxes = ['anna@new.test', 'bob@new.test', 'dora@new.test'];

  async resolveIdentity(request: unknown): Promise<Principal | null> {
    const { cookie } = (request as { headers: { cookie?: string } }).headers;
    return PEOPLE[/(?:^|; )who=(\w+)/.exec(cookie ?? '')?.[1] ?? ''] ?? null;
  }
  async currentPrincipal(claimed: Principal): Promise<Principal | null> {
    return claimed;
  }
  async can(_: Principal, permission: Permission): Promise<boolean> {
    return !this.denied.includes(permission);
  }
  async listMailboxes(_: Principal, domain: string) {
    const items = this.mailboxes
      .filter((address) => address.endsWith(`@${domain}`))
      .map((address) => ({ address, domain, tenantId: 't1' }));
    return { items, total: items.length };
  }
  async getMailbox({ tenantId, address }: { tenantId: string; address: string }) {
    return { tenantId, address, domain: address.split('@')[1] ?? '' };
  }
  async openDestination(): Promise<never> {
    throw new Error('the pages never open a destination');
  }
  async closeDestination(): Promise<void> {}
  async quota() {
    return null;
  }
  async notify(): Promise<void> {}
  async audit(): Promise<void> {}
  async branding() {
    return { name: 'Sunny Hosting', homeUrl: '/panel', supportUrl: 'https://help.example' };
  }
}

export interface PagesApp {
  readonly app: NestExpressApplication;
  readonly backend: PagesBackend;
  readonly panel: FakePanel;
  close(): Promise<void>;
}

/** The web half over fakes: no database, no queue, no worker. */
export async function pagesApp(options: Partial<PluginOptions> = {}): Promise<PagesApp> {
  const backend = new PagesBackend();
  const panel = new FakePanel();
  const resolved: ResolvedOptions = resolveOptions({
    panel,
    databaseUrl: 'postgres://nowhere.invalid/none',
    redis: { path: '/nowhere' },
    keys: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
    logLevel: 'silent',
    ...options,
  });
  const values = [
    { provide: PLUGIN_OPTIONS, useValue: resolved },
    { provide: HOST_PANEL, useValue: panel },
    { provide: JOBS_API, useValue: backend.jobs },
    { provide: CONNECTION_TESTS_API, useValue: backend.tests },
    { provide: PROGRESS_API, useValue: backend.progress },
    { provide: REPORTS_API, useValue: backend.reports },
    { provide: WEB_DATABASE, useValue: { query: async () => [] } },
    { provide: WEB_QUEUE, useValue: { isUp: async () => true, waiting: async () => ({ runs: 0, tests: 0 }) } },
  ];
  @Global()
  @Module({ providers: values, exports: values.map(({ provide }) => provide) })
  class FakesModule {}

  const testing = await Test.createTestingModule({
    imports: [WebModule.register(resolved.basePath, [FakesModule])],
  }).compile();
  const app = testing.createNestApplication<NestExpressApplication>({ logger: ['error'] });
  await app.init();
  return { app, backend, panel, close: () => app.close() };
}
