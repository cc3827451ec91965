import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { everyPage } from './pages-list.js';
import { noBrowser, stage } from './stage.js';

/** A folder: every page is photographed into it. Not set: nothing is done. */
const folder = process.env['MAILFERRY_SCREENSHOTS'];
const only = process.env['MAILFERRY_SCREENSHOTS_ONLY'];

(folder === undefined || noBrowser() !== null ? describe.skip : describe)('photographs', () => {
  it('shows every page at 1280 px, at 360 px and in the dark', async () => {
    const set = await stage();
    mkdirSync(folder!, { recursive: true });
    try {
      // Bob has nothing yet: his empty page is looked at first.
      const pages = await everyPage(set.web);
      for (const [look, options] of Object.entries({
        wide: { viewport: { width: 1280, height: 800 } },
        narrow: { viewport: { width: 360, height: 740 } },
        dark: { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' as const },
      }))
        for (const { name, who, path } of pages) {
          if (only && !new RegExp(only).test(`${look}-${name}`)) continue;
          const { page, context } = await set.visit(who, options);
          await page.goto(`${set.origin}/migrate${path}`);
          await page.screenshot({ path: join(folder!, `${look}-${name}.png`), fullPage: true });
          await context.close();
        }
    } finally {
      await set.close();
    }
  }, 300_000);
});
