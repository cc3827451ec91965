import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freshDatabase, type TestDatabase } from '../servers/database.js';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { appendMessages, hoster, oldProvider, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { trust, urlOf } from './copy-process.js';

let dataDir: string;
let database: TestDatabase;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'mailferry-terminal-'));
  trust(dataDir, oldProvider.ca, hoster.ca);
  database = await freshDatabase();
});
afterAll(async () => {
  await database.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** The command as a person at a terminal has it: script(1) gives it one. */
function atTerminal(args: readonly string[]) {
  const { MAILFERRY_DATABASE_URL: _url, MAILFERRY_CONFIG: _config, NODE_OPTIONS: _node, ...bare } = process.env;
  const line = [process.execPath, resolve('dist/src/cli.js'), ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qfec', line, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...bare,
      TERM: 'xterm',
      MAILFERRY_DATA_DIR: dataDir,
      MAILFERRY_DATABASE_URL: database.url,
      NODE_EXTRA_CA_CERTS: join(dataDir, 'ca.crt'),
    },
  });
  let screen = '';
  const watchers = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => {
    screen += chunk.toString();
    for (const look of watchers) look();
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  return {
    ended,
    screen: () => screen,
    type: (keys: string) => child.stdin.write(keys),
    shows: (text: string | RegExp) =>
      new Promise<void>((done, fail) => {
        const look = (): void => {
          if (screen.search(text) < 0) return;
          watchers.delete(look);
          done();
        };
        watchers.add(look);
        look();
        void ended.then((code) => fail(new Error(`ended with ${code} before it: ${screen}`)));
      }),
  };
}

const count = async (account: TestAccount): Promise<number> =>
  (await readMailbox(account)).reduce((sum, { messages }) => sum + messages.length, 0);

it('asks for both passwords without showing them, draws a bar, and says what arrived', async () => {
  const from = oldProvider.account();
  const to = hoster.account();
  await appendMessages(from, fixtureMailbox(600, 5));
  const terminal = atTerminal(['copy', '--from', urlOf(from), '--to', urlOf(to)]);
  await terminal.shows(`Password of ${from.user}`);
  terminal.type(`${from.password}\r`);
  await terminal.shows(`Password of ${to.user}`);
  terminal.type(`${to.password}\r`);
  await terminal.shows(/█.*\d+%.*\/600/);
  expect(await terminal.ended).toBe(0);
  expect(terminal.screen()).not.toContain(from.password);
  expect(terminal.screen()).not.toContain(to.password);
  expect(terminal.screen()).toMatch(/600/);
  expect(await count(to)).toBe(600);
});

it('asked and answered by Ctrl-C it does nothing', async () => {
  const from = oldProvider.account();
  const to = hoster.account();
  const terminal = atTerminal(['copy', '--from', urlOf(from), '--to', urlOf(to)]);
  await terminal.shows(`Password of ${from.user}`);
  terminal.type('\u0003');
  expect(await terminal.ended).toBeGreaterThan(0);
  expect(await count(to)).toBe(0);
});
