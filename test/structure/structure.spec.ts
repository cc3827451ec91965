import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

test('every import follows the rules of the rooms and no file imports in a circle', async () => {
  const { stdout } = await run(process.execPath, ['test/structure/check.mjs']).catch(
    (error: { stderr: string; stdout: string }) => {
      throw new Error(error.stderr + error.stdout);
    },
  );
  expect(stdout).toMatch(/0 wrong/);
}, 60_000);
