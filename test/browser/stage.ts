import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import type { Actor, Visibility } from '../../src/jobs/contract.js';
import type { FolderProgress, JobView, Progress, SourceSettings, TestResult } from '../../src/jobs/job.js';
import { wordsFor } from '../../src/jobs/messages.js';
import { ALICE, BOB, PANEL_USER, TENANT } from '../fakes/fake-panel.js';
import { startWeb, type WebApp } from '../web/web-app.js';

export const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** Headless, as any user, and without asking its maker's servers for anything. */
export const BROWSER_ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why there are no browser tests here; null where there can be. */
export function noBrowser(): string | null {
  return existsSync(CHROMIUM) ? null : `no browser at ${CHROMIUM}: set CHROMIUM to run the browser tests`;
}

export interface Stage {
  readonly web: WebApp;
  readonly browser: Browser;
  /** Scheme, host and port. */
  readonly origin: string;
  /** A window of somebody who is signed in to the panel. */
  visit(who: string, options?: Parameters<Browser['newContext']>[0]): Promise<{ page: Page; context: BrowserContext }>;
  close(): Promise<void>;
}

/** The pages over fakes, behind a real browser. */
export async function stage(options: Parameters<typeof startWeb>[0] = {}): Promise<Stage> {
  const web = await startWeb(options);
  web.panel.brand = { name: 'Sunny Hosting', homeUrl: '/panel', supportUrl: 'https://help.example/' };
  await web.app.listen(0, '127.0.0.1');
  const { port } = web.server.address() as AddressInfo;
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...BROWSER_ARGS] });
  return {
    web,
    browser,
    origin: `http://127.0.0.1:${port}`,
    async visit(who, more = {}) {
      const context = await browser.newContext({ locale: 'en-GB', ...more, extraHTTPHeaders: { [PANEL_USER]: who } });
      return { context, page: await context.newPage() };
    },
    async close() {
      await browser.close();
      await web.close();
    },
  };
}

export const OLD: SourceSettings = {
  type: 'imap',
  provider: 'imap',
  host: 'imap.old.example',
  port: 993,
  security: 'tls',
  username: 'alice@old.example',
};

function visibility(mailbox: string): Visibility {
  return { tenant: TENANT, all: false, mailboxes: [mailbox], domains: [] };
}

export function actorFor(mailbox: string): Actor {
  return { sub: mailbox.split('@')[0]!, tenant: TENANT, visibility: visibility(mailbox), principal: ALICE };
}

/** Puts a migration into a state without its story. */
export async function putJob(web: WebApp, mailbox: string, change: Partial<JobView>): Promise<JobView> {
  const { job } = await web.room.jobs.create(actorFor(mailbox), {
    mailbox,
    source: { ...OLD, username: mailbox.replace('new.test', 'old.example') },
    secret: { password: 'canary-secret' },
    items: ['mail'],
  });
  return web.room.change(job.id, change);
}

export function folder(path: string, counts: Partial<FolderProgress> = {}): FolderProgress {
  return {
    path,
    destination: path,
    kind: 'mail',
    found: 100,
    copied: 100,
    alreadyThere: 0,
    skipped: 0,
    failed: 0,
    bytes: 4_000_000,
    totalBytes: 4_000_000,
    ...counts,
  };
}

export const FOLDERS: readonly FolderProgress[] = [
  folder('INBOX', { found: 4210, copied: 2104, alreadyThere: 12, skipped: 2, failed: 1 }),
  folder('Sent Items', { destination: 'Sent', found: 2480, copied: 1200 }),
  folder('Clients/Müller & Söhne/2019 – Angebote und Rechnungen/Korrespondenz mit dem Steuerberater', {
    found: 310,
    copied: 310,
  }),
  folder('Новости', { found: 88, copied: 80, skipped: 8 }),
  folder('<b>Newsletter</b>\u202etxt', { found: 12, copied: 0 }),
];

export const PROGRESS: Progress = {
  found: 7100,
  copied: 3694,
  alreadyThere: 12,
  skipped: 10,
  failed: 1,
  bytes: 1_402_003_104,
  totalBytes: 2_904_331_776,
  etaSeconds: 1560,
  rate: 963_000,
};

export const PASSED: TestResult = {
  ok: true,
  code: 'OK',
  message: 'The connection works.',
  gives: ['mail'],
  folders: [
    { path: 'INBOX', levels: ['INBOX'], kind: 'mail', role: 'inbox', items: 4210, bytes: 1_804_331_776 },
    { path: 'Sent Items', levels: ['Sent Items'], kind: 'mail', role: 'sent', items: 2480, bytes: 1_000_000_000 },
    { path: 'Clients', levels: ['Clients'], kind: 'mail', items: 0, bytes: 0 },
    {
      path: 'Clients/Müller & Söhne – Angebote und Rechnungen, Korrespondenz mit dem Steuerberater 2012-2019',
      levels: ['Clients', 'Müller & Söhne – Angebote und Rechnungen, Korrespondenz mit dem Steuerberater 2012-2019'],
      kind: 'mail',
      items: 310,
      bytes: 90_000_000,
    },
    { path: 'Новости', levels: ['Новости'], kind: 'mail', items: 88, bytes: 4_000_000 },
    { path: 'News/letters', levels: ['News/letters'], kind: 'mail', items: 12, bytes: 200_000 },
    { path: '<script>alert(1)</script>', levels: ['<script>alert(1)</script>'], kind: 'mail', items: 3, bytes: 9000 },
  ],
  totals: { folders: 7, items: 7103, bytes: 2_898_540_776 },
  plan: {
    folders: [
      { kind: 'mail', from: 'INBOX', to: 'INBOX', exists: true },
      { kind: 'mail', from: 'Sent Items', to: 'Sent', exists: true, changed: 'role' },
      { kind: 'mail', from: 'Clients', to: 'Clients', exists: false },
      {
        kind: 'mail',
        from: 'Clients/Müller & Söhne – Angebote und Rechnungen, Korrespondenz mit dem Steuerberater 2012-2019',
        to: 'Clients/Müller & Söhne – Angebote und Rechnungen, Korrespondenz mit dem Steuerberater 2012-2019',
        exists: false,
      },
      { kind: 'mail', from: 'Новости', to: 'Новости', exists: false },
      { kind: 'mail', from: 'News/letters', to: 'News-letters', exists: false, changed: 'illegal-name' },
      { kind: 'mail', from: '<script>alert(1)</script>', to: '<script>alert(1)</script>', exists: false },
    ],
    leftOut: [{ path: 'Public folders', code: 'SHARED', message: 'This folder belongs to somebody else.' }],
    totalItems: 7103,
    totalBytes: 2_898_540_776,
    quota: { usedBytes: 120_000_000, limitBytes: 10_737_418_240, fits: true },
    maxItemBytes: 52_428_800,
    tooLarge: 2,
    existingItems: 42,
    estimate: { seconds: 3000, basis: '1 MB a second, measured with other accounts at this provider' },
  },
};

export function failedTest(code: string, more: Partial<TestResult> = {}): TestResult {
  const { message, action } = wordsFor(code);
  return {
    ok: false,
    code,
    message,
    ...(action && { action }),
    folders: [],
    totals: { folders: 0, items: 0, bytes: 0 },
    ...more,
  };
}

export const UNTRUSTED = failedTest('TLS_UNTRUSTED', {
  certificate: {
    fingerprint: 'a3f1c09d5e77b2846c1d0fe398ab54720d6f8e1b2c3a49587766554433221100',
    subject: 'mail.old.example',
    issuer: 'mail.old.example (signed by itself)',
    validTo: '2031-05-04T00:00:00.000Z',
  },
});

export { ALICE, BOB };
