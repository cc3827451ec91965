import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { everyPage, type Shown } from './pages-list.js';
import { FOLDERS, noBrowser, PASSED, PROGRESS, putJob, stage, type Stage } from './stage.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const missing = noBrowser();
if (missing !== null) console.warn(`browser tests skipped: ${missing}`);

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** Serious and critical findings, one line each. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const violations = await page.evaluate(
    async () =>
      (await (window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe.run()).violations,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary ?? ''}`),
    );
}

(missing === null ? describe : describe.skip)('the pages in a browser', () => {
  let set: Stage;
  let pages: Shown[];

  beforeAll(async () => {
    set = await stage();
    pages = await everyPage(set.web);
  }, 60_000);
  afterAll(() => set?.close());

  /** Looks at every page, each person in a window of his own. */
  async function everywhere(
    options: Parameters<Stage['visit']>[1],
    look: (page: Page, name: string) => Promise<readonly string[]>,
  ): Promise<string[]> {
    const said: string[] = [];
    for (const person of new Set(pages.map(({ who }) => who))) {
      const { page, context } = await set.visit(person, options);
      let current = '';
      page.on('console', (message) => message.type() === 'error' && said.push(`${current}: ${message.text()}`));
      page.on('pageerror', (error) => said.push(`${current}: ${error.message}`));
      for (const { name, who, path } of pages) {
        if (who !== person) continue;
        current = name;
        await page.goto(`${set.origin}/migrate${path}`);
        said.push(...(await look(page, name)).map((line) => `${name}: ${line}`));
      }
      await context.close();
    }
    // A page that says "not found", or that a link is over, is answered with 404 or 410, and browsers write that down.
    return said.filter((line) => !/^(not-found|link-(used|expired)): Failed to load resource/.test(line));
  }

  it.each(['light', 'dark'] as const)(
    'has nothing serious for axe on any page, in the %s',
    async (colorScheme) => {
      expect(await everywhere({ colorScheme, bypassCSP: true }, findings)).toEqual([]);
    },
    300_000,
  );

  it('needs no sideways scrolling at 360 px, keeps its content policy, and loads nothing that is not there', async () => {
    const wide = await everywhere({ viewport: { width: 360, height: 740 } }, (page) =>
      page.evaluate(() => {
        const wrong: string[] = [];
        const { scrollWidth } = document.documentElement;
        if (scrollWidth > 360) wrong.push(`${scrollWidth} px wide`);
        for (const frame of document.querySelectorAll('.table-responsive:has(.mf-table-stack)'))
          if (frame.scrollWidth > frame.clientWidth + 1) wrong.push('a stacked table is too wide');
        return wrong;
      }),
    );
    expect(wide).toEqual([]);
  }, 300_000);

  it('is dark where the person’s system is', async () => {
    const { page, context } = await set.visit('alice', { colorScheme: 'dark' });
    await page.goto(`${set.origin}/migrate/`);
    const [r, g, b] = await page.evaluate(() =>
      getComputedStyle(document.body).backgroundColor.match(/\d+/g)!.slice(0, 3).map(Number),
    );
    expect(Math.max(r!, g!, b!)).toBeLessThan(64);
    await context.close();
  });

  it('walks through the wizard with the keyboard alone', async () => {
    set.web.room.nextTest = PASSED;
    const { page, context } = await set.visit('bob');
    /** Tabs until the element is in focus: what cannot be reached so cannot be used. */
    const tabTo = async (selector: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`${selector} cannot be reached by keyboard on ${page.url()}`);
    };
    const press = async (selector: string, key: string): Promise<void> => {
      await tabTo(selector);
      await Promise.all([page.waitForNavigation(), page.keyboard.press(key)]);
    };
    await page.goto(`${set.origin}/migrate/`);
    await press('a[href$="/new"]', 'Enter');
    await press('button[value="continue"]', 'Enter');
    await tabTo('input[name="provider"]');
    await page.keyboard.press('Space');
    while (!(await page.evaluate(() => document.activeElement?.matches('[value="imap"]') ?? false)))
      await page.keyboard.press('ArrowDown');
    // Enter in a field sends the form onward, not back.
    await Promise.all([page.waitForURL(/\/existing$/), page.keyboard.press('Enter')]);
    await press('button[value="continue"]', 'Enter');
    await tabTo('input[name="since"]');
    await tabTo('input[name="maxMegabytes"]');
    await page.keyboard.type('20');
    await Promise.all([page.waitForURL(/\/connection$/), page.keyboard.press('Enter')]);
    await tabTo('#f-username');
    await page.keyboard.type('bob@old.example');
    await tabTo('#f-password');
    await page.keyboard.type('canary-secret');
    await tabTo('#f-host');
    await page.keyboard.type('imap.old.example');
    await press('button[value="test"]', 'Enter');
    expect(page.url()).toMatch(/\/test$/);
    await press('button[value="continue"]', 'Enter');
    expect(page.url()).toMatch(/\/review$/);
    await press('button[value="start"]', 'Enter');
    expect(page.url()).toMatch(/\/jobs\/[0-9a-f-]+\?done=start$/);
    const id = /jobs\/([0-9a-f-]+)/.exec(page.url())![1]!;
    expect(set.web.room.records.get(id)!.view).toMatchObject({
      state: 'queued',
      filters: { maxItemBytes: 20 * 1024 * 1024 },
    });
    await context.close();
  }, 120_000);

  it('goes on by itself from the waiting page when the test is done', async () => {
    set.web.room.nextTest = 'never';
    const { page, context } = await set.visit('alice');
    const shown = pages.find(({ name }) => name === 'step-5-running')!;
    await page.goto(`${set.origin}/migrate${shown.path}`);
    await page.getByText('Looking into your old mailbox').waitFor();
    const id = /new\/([^/]+)/.exec(shown.path)![1]!;
    const record = set.web.room.records.get(id)!;
    const run = String(record.form['run']);
    set.web.room.tests.finish(run, PASSED);
    record.test = { ...PASSED, id: run, state: 'done' };
    record.passedAt = new Date().toISOString();
    await page.getByText('It works').waitFor();
    await context.close();
  }, 60_000);

  it('follows the progress by server-sent events, to the end, without being loaded again', async () => {
    const job = await putJob(set.web, 'alice@new.test', {
      state: 'running',
      startedAt: '2026-03-02T08:15:00.000Z',
      progress: { ...PROGRESS, found: 1000, copied: 100, alreadyThere: 0, skipped: 0, failed: 0 },
      folders: FOLDERS.slice(0, 1),
    });
    const { page, context } = await set.visit('alice');
    await page.goto(`${set.origin}/migrate/jobs/${job.id}`);
    await page.evaluate(() => document.body.setAttribute('data-same-page', 'yes'));
    const change = (copied: number, more: object = {}) =>
      set.web.room.change(job.id, {
        progress: { ...PROGRESS, found: 1000, copied, alreadyThere: 0, skipped: 0, failed: 0 },
        ...more,
      });
    // The stream may still be opening: the change is told again until it is seen.
    const until = async (look: () => Promise<boolean>, tell: () => void): Promise<void> => {
      for (const end = Date.now() + 20_000; ;) {
        tell();
        if (await look()) return;
        if (Date.now() > end) throw new Error(`not seen: ${await page.locator('#job').innerText()}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    const copied = page.locator('[data-bind="progress.copied"]');
    await until(
      async () => (await copied.innerText()) === '457',
      () => void change(457),
    );
    expect(await page.locator('.mf-percent').innerText()).toBe('45%');
    await until(
      async () => (await page.locator('#job-folders tbody tr').count()) === 2,
      () => void change(500, { folders: FOLDERS.slice(0, 2) }),
    );
    change(1000, { state: 'completed', outcome: 'complete', finishedAt: '2026-03-02T09:15:00.000Z' });
    await page.getByText('Everything has arrived in the new mailbox.').waitFor();
    expect(await page.locator('a[href$="/cancel"]').count()).toBe(0);
    expect(await page.locator('body').getAttribute('data-same-page')).toBe('yes');
    await context.close();
  }, 60_000);
});
