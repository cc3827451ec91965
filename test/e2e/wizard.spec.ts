import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { BROWSER_ARGS, CHROMIUM, noBrowser } from '../browser/stage.js';
import { freePort } from '../../src/standalone/infra/process.js';

/** The sandbox as `npm start` brings it up, and a person with a browser in front of it. */
const START_MS = 120_000;
const reason = noBrowser();
if (reason) console.warn(reason);

(reason ? describe.skip : describe)('from the sign-in to a moved mailbox, in a real browser', () => {
  const dir = mkdtempSync(join(tmpdir(), 'mailferry-wizard-'));
  let supervisor: ChildProcess;
  let browser: Browser;
  let base: string;
  let old: { host: string; port: number; dav: { url: string } | null };

  beforeAll(async () => {
    const port = await freePort();
    supervisor = spawn(process.execPath, [resolve('dist/src/standalone/start.js')], {
      env: { PATH: process.env['PATH'], MAILFERRY_PORT: String(port), MAILFERRY_DATA_DIR: dir },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((done, fail) => {
      supervisor.stdout!.on('data', (text: Buffer) => text.includes('ready: ') && done());
      supervisor.once('exit', (code) => fail(new Error(`npm start ended with ${code}`)));
    });
    base = `http://127.0.0.1:${port}`;
    const running = JSON.parse(readFileSync(join(dir, 'running.json'), 'utf8')) as {
      sandbox: { oldProvider: typeof old };
    };
    old = running.sandbox.oldProvider;
    browser = await chromium.launch({ executablePath: CHROMIUM, args: [...BROWSER_ARGS] });
  }, START_MS);

  afterAll(async () => {
    await browser?.close();
    if (supervisor && supervisor.exitCode === null) {
      const ended = new Promise((done) => supervisor.once('exit', done));
      supervisor.kill('SIGINT');
      await ended;
    }
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  const press = async (page: Page, name: string | RegExp): Promise<void> => {
    await page.getByRole('button', { name }).first().click();
    await page.waitForLoadState();
  };

  /** Signs in and goes as far as the form of step 4. */
  async function toConnection(page: Page, who: string, kinds: readonly string[] = ['mail']): Promise<void> {
    await page.goto(base);
    await press(page, new RegExp(who));
    await page.getByRole('link', { name: 'Mailbox migration' }).first().click();
    await page.getByRole('link', { name: 'Start a migration' }).first().click();
    // Whoever has one mailbox finds it chosen.
    const mailbox = page.locator('input[name=mailbox], select[name=mailbox]').first();
    if ((await mailbox.getAttribute('type')) === 'radio') await mailbox.check();
    await press(page, 'Begin');
    await page.locator('input[value=imap], input[value=other]').first().check();
    await press(page, 'Continue');
    await press(page, 'Continue');
    for (const kind of kinds) await page.locator(`input[name=kinds][value=${kind}]`).check();
    await press(page, 'Continue');
  }

  async function connect(page: Page, account: string, password: string): Promise<void> {
    await page.locator('input[name=username]').fill(account);
    await page.locator('input[name=password]').fill(password);
    await page.locator('input[name=host]').fill(old.host);
    await page.locator('input[name=port]').fill(String(old.port));
    const calendars = page.locator('input[name=davUrl]');
    if ((await calendars.count()) > 0) await calendars.fill(old.dav!.url);
    await press(page, 'Test the connection');
  }

  it('with JavaScript: a wrong password is refused, the right one moves all five kinds, and the page follows by itself', async () => {
    const page = await browser.newPage();
    const wrong: string[] = [];
    page.on('pageerror', (error) => wrong.push(error.message));
    page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
    await toConnection(page, 'Alice', ['mail', 'contacts', 'calendars', 'tasks', 'notes']);
    await connect(page, 'alice@old.test', 'not the password');
    await page.getByText('The test did not succeed').waitFor({ timeout: 60_000 });
    expect(await page.getByRole('button', { name: 'Continue' }).count()).toBe(0);
    expect(await page.content()).not.toContain('not the password');
    // No success, no next step: not by its address either.
    const draft = /^.*\/new\/[^/]+/.exec(page.url())![0];
    await page.goto(`${draft}/review`);
    expect(new URL(page.url()).pathname).not.toMatch(/review$/);

    await page.goto(`${draft}/connection`);
    expect(await page.locator('input[name=host]').inputValue()).toBe(old.host);
    expect(await page.locator('input[name=password]').inputValue()).toBe('');
    await connect(page, 'alice@old.test', 'sandbox');
    await page.getByText('It works').waitFor({ timeout: 60_000 });
    const found = ['371 messages', '32 contacts', '48 events', '12 tasks', '6 notes'];
    for (const count of found) expect(await page.locator('main').innerText()).toContain(count);
    // "What to import" now says how many there are of each.
    await page.goto(`${draft}/items`);
    for (const count of found) expect(await page.locator('main').innerText()).toContain(`${count} in your old`);
    await page.goto(`${draft}/test`);
    await press(page, 'Continue');
    await press(page, 'Start the migration');
    await page.getByText('Everything has arrived').waitFor({ timeout: 90_000 });
    const arrived = await page.locator('main').innerText();
    expect(arrived).toMatch(/Copied\s+469/);
    for (const [n, word] of found.map((count) => count.split(' '))) expect(arrived).toContain(`${n} / ${n} ${word}`);

    await page
      .getByRole('link', { name: /report/i })
      .first()
      .click();
    await page.waitForLoadState();
    const report = await page.locator('main').innerText();
    for (const count of found) expect(report).toContain(count);
    expect(wrong).toEqual([]);
    await page.close();
  }, 240_000);

  it('without JavaScript: the same by plain forms and a page that refreshes', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await toConnection(page, 'Dora');
    await connect(page, 'dora@old.test', 'sandbox');
    await page.getByText('It works').waitFor({ timeout: 60_000 });
    await press(page, 'Continue');
    await page.getByText('Back', { exact: true }).first().click();
    await page.waitForLoadState();
    await press(page, 'Continue');
    await press(page, 'Start the migration');
    await page.getByText('Everything has arrived').waitFor({ timeout: 90_000 });
    await context.close();

    const later = await (await browser.newContext()).newPage();
    await later.goto(base);
    await press(later, /Sam/);
    await later.goto(`${base}/migrate/admin`);
    expect(await later.locator('main').innerText()).toContain('dora@');
    await later.close();
  }, 240_000);
});
