import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { alive, readPid } from '../../src/standalone/infra/process.js';
import { freshDatabase, type TestDatabase } from '../servers/database.js';
import { appendMessages, hoster, oldProvider, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { endOf, eventsOf, HoldingWire, startCopy, trust, urlOf } from './copy-process.js';

/** More on a slow machine. */
const PATIENCE = Number(process.env['MAILFERRY_TEST_PATIENCE'] ?? 1);

let dataDir: string;
let database: TestDatabase;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'mailferry-copy-'));
  trust(dataDir, oldProvider.ca, hoster.ca);
  database = await freshDatabase();
});
afterAll(async () => {
  await database.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

const message = (n: number, bytes = 100): string =>
  `Message-ID: <${n}@old.test>\r\nSubject: message ${n}\r\nDate: Wed, 01 Jan 2020 10:00:00 +0000\r\n\r\n${'x'
    .repeat(70)
    .concat('\r\n')
    .repeat(Math.ceil(bytes / 72))}`;

async function filled(count: number, bytes = 100, folders = ['INBOX', 'Work/2024']): Promise<TestAccount> {
  const account = oldProvider.account();
  await appendMessages(
    account,
    Array.from({ length: count }, (_, n) => ({
      path: folders[n % folders.length]!,
      message: message(n, bytes),
      flags: n % 3 === 0 ? ['\\Seen'] : [],
      date: new Date(1_600_000_000_000 + n * 1000),
    })),
  );
  return account;
}

function copy(from: TestAccount, to: TestAccount, ...args: string[]) {
  return startCopy(['copy', '--from', urlOf(from), '--to', urlOf(to), '--json', ...args], {
    dataDir,
    databaseUrl: database.url,
    from: from.password,
    to: to.password,
  }).ended;
}

/** Folder by folder: what the messages are, in any order. */
async function contents(account: TestAccount): Promise<Record<string, string[]>> {
  const folders = await readMailbox(account);
  return Object.fromEntries(
    folders
      .filter(({ messages }) => messages.length > 0)
      .map(({ path, messages }) => [path, messages.map((one) => JSON.stringify(one)).sort()]),
  );
}

describe('a copy on the embedded database, without a queue', () => {
  it(
    'is whole, is one event a line, brings nothing a second time, and leaves no process and no password behind',
    async () => {
      const own = mkdtempSync(join(dataDir, 'own-'));
      trust(own, oldProvider.ca, hoster.ca);
      const [from, to] = [await filled(40), hoster.account()];
      const args = ['copy', '--from', urlOf(from), '--to', urlOf(to), '--json'];
      const run = () => startCopy(args, { dataDir: own, from: from.password, to: to.password }).ended;
      const first = await run();
      expect({ code: first.code, err: first.err }).toEqual({ code: 0, err: '' });
      const events = eventsOf(first.out);
      expect(events[0]).toMatchObject({ event: 'start', resumed: false });
      expect(events.some(({ event }) => event === 'progress')).toBe(true);
      expect(events.at(-1)).toMatchObject({ event: 'end', outcome: 'complete', exitCode: 0, found: 40, copied: 40 });
      expect(await contents(to)).toEqual(await contents(from));

      const second = await run();
      expect(second.code).toBe(0);
      expect(endOf(second.out)).toMatchObject({ outcome: 'complete', found: 40, copied: 0, alreadyThere: 40 });
      expect(await contents(to)).toEqual(await contents(from));

      expect(alive(readPid(join(own, 'postgres', 'postmaster.pid')))).toBe(false);
      for (const { out, err } of [first, second])
        for (const secret of [from.password, to.password]) expect(out + err).not.toContain(secret);
      for (const secret of [from.password, to.password]) expect(holders(own, secret)).toEqual([]);
    },
    120_000 * PATIENCE,
  );
});

describe('a copy', () => {
  it(
    'tells people what arrived and what did not, in words, and writes the rest to a file',
    async () => {
      const [from, to] = [await filled(4), hoster.account({ maxMessage: '20K' })];
      await appendMessages(from, [{ path: 'INBOX', message: message(99, 60_000) }]);
      const report = join(dataDir, 'report.csv');
      const args = ['copy', '--from', urlOf(from), '--to', urlOf(to), '--exclude-folder', 'Work', '--report', report];
      const { code, out } = await startCopy(args, {
        dataDir,
        databaseUrl: database.url,
        from: from.password,
        to: to.password,
      }).ended;
      expect(code).toBe(3);
      expect(out).toMatch(
        /Done, but not everything arrived\.\n5 found = 2 copied \+ 0 already there \+ 2 skipped \+ 1 failed/,
      );
      expect(out).toMatch(/Failed, 1: .*\(MESSAGE_TOO_LARGE\)\n {2}INBOX .* message 99/);
      expect(readFileSync(report, 'utf8')).toMatch(/^kind,folder,subject.*\r\n[^]*MESSAGE_TOO_LARGE/);
    },
    60_000 * PATIENCE,
  );

  it(
    'only shows the plan with --dry-run',
    async () => {
      const [from, to] = [await filled(4), hoster.account()];
      const before = await contents(to);
      const { code, out } = await copy(from, to, '--dry-run');
      expect(code).toBe(0);
      const [plan] = eventsOf(out);
      expect(plan).toMatchObject({ event: 'plan', plan: { totalItems: 4 } });
      expect(await contents(to)).toEqual(before);
      expect((await readMailbox(to)).map(({ path }) => path)).not.toContain('Work/2024');
    },
    60_000 * PATIENCE,
  );

  it('ends with 4 where a person must do something, on either side, and goes on with the right password', async () => {
    const [from, to] = [await filled(3), hoster.account()];
    const wrongFrom = await copy({ ...from, password: 'wrong canary' }, to);
    expect(wrongFrom.code).toBe(4);
    expect(endOf(wrongFrom.out)).toMatchObject({ outcome: 'needs-action', reason: { code: 'AUTH_FAILED' } });
    const wrongTo = await copy(from, { ...to, password: 'wrong canary' });
    expect(wrongTo.code).toBe(4);
    expect(endOf(wrongTo.out)).toMatchObject({ reason: { code: 'DESTINATION_AUTH_FAILED' } });
    expect(wrongFrom.out + wrongFrom.err + wrongTo.out + wrongTo.err).not.toContain('canary');
    const right = await copy(from, to);
    expect(right.code).toBe(0);
    expect(endOf(right.out)).toMatchObject({ copied: 3 });
  }, 90_000);

  it('fails at once where no server answers, instead of waiting for hours', async () => {
    const [from, to] = [await filled(1), hoster.account()];
    const noSource = await copy({ ...from, imapsPort: 1 }, to);
    expect(noSource.code).toBe(1);
    expect(endOf(noSource.out)).toMatchObject({ outcome: 'failed', reason: { code: 'CONNECT_FAILED' } });
    const noDestination = await copy(from, { ...to, imapsPort: 1 });
    expect(noDestination.code).toBe(1);
    expect(endOf(noDestination.out)).toMatchObject({ reason: { code: 'DESTINATION_UNAVAILABLE' } });
  }, 90_000);

  it(
    'is refused with a password in the URL, which is not repeated, and without a password where nobody can be asked',
    async () => {
      const to = ['--to', 'imaps://b@new.test'];
      const told = await startCopy(['copy', '--from', 'imaps://a:hunter2@old.test', ...to], { dataDir }).ended;
      expect({ code: told.code, out: told.out }).toEqual({ code: 2, out: '' });
      expect(told.err).toMatch(/--from has a password in it/);
      expect(told.err).not.toContain('hunter2');
      const unasked = await startCopy(['copy', '--from', 'imaps://a@old.test', ...to], { dataDir }).ended;
      expect(unasked.code).toBe(2);
      expect(unasked.err).toMatch(/set MAILFERRY_FROM_PASSWORD/);
    },
    60_000 * PATIENCE,
  );
});

describe('a copy that replaces', () => {
  it(
    'wants the mailbox named, and moves what was there into a dated folder once the copy is whole',
    async () => {
      const [from, to] = [await filled(12), hoster.account()];
      await appendMessages(to, [
        { path: 'INBOX', message: message(900), flags: [], date: new Date(1_500_000_000_000) },
        { path: 'INBOX', message: message(0), flags: ['\\Seen'], date: new Date(1_600_000_000_000) },
      ]);
      const unsure = await copy(from, to, '--replace');
      expect(unsure.code).toBe(2);
      expect(unsure.err).toMatch(/--confirm/);
      expect(Object.values(await contents(to)).flat()).toHaveLength(2);
      const done = await copy(from, to, '--replace', '--confirm', to.user);
      expect(done.code).toBe(0);
      expect(endOf(done.out)).toMatchObject({ outcome: 'complete', found: 12 });
      const after = await contents(to);
      const [aside] = Object.keys(after).filter((path) => /^Before migration \d{4}-\d\d-\d\d/.test(path));
      // What is the same as at the old provider needs no recovery.
      expect(after[aside!]).toEqual([expect.stringContaining('2017-07-14T02:40:00.000Z')]);
      delete after[aside!];
      expect(after).toEqual(await contents(from));
    },
    60_000 * PATIENCE,
  );
});

describe('a copy that is stopped in the middle', () => {
  it(
    'by Ctrl-C ends with 130 at a checkpoint, keeps a second one away meanwhile, and goes on when it is run again',
    async () => {
      const [from, to] = [await filled(400, 4_000, ['INBOX', 'A', 'B', 'C']), hoster.account()];
      const wire = await HoldingWire.before(from.imapsPort, 700_000);
      try {
        const args = ['copy', '--from', urlOf(from, wire.port), '--to', urlOf(to), '--json'];
        const passwords = { dataDir, databaseUrl: database.url, from: from.password, to: to.password };
        const first = startCopy(args, passwords);
        await first.event((event) => event.event === 'progress' && event.copied > 0);
        const meanwhile = await startCopy(args, passwords).ended;
        expect(meanwhile.code).toBe(1);
        expect(meanwhile.err).toMatch(/another copy into .* is under way/);
        first.child.kill('SIGINT');
        const stopped = await first.ended;
        expect(stopped.code).toBe(130);
        expect(endOf(stopped.out)).toMatchObject({ outcome: 'interrupted', exitCode: 130 });
        wire.letGo();
        const again = await startCopy(args, passwords).ended;
        expect(again.code).toBe(0);
        expect(eventsOf(again.out)[0]).toMatchObject({ event: 'start', resumed: true });
        expect(endOf(again.out)).toMatchObject({ outcome: 'complete', found: 400, copied: 400 });
        expect(await contents(to)).toEqual(await contents(from));
      } finally {
        wire.close();
      }
    },
    120_000 * PATIENCE,
  );

  it(
    'opens no more connections to the old server than it bears, and counts them together with those of the workers',
    async () => {
      const [from, to] = [await filled(400, 4_000, ['INBOX', 'A', 'B', 'C']), hoster.account()];
      const wire = await HoldingWire.before(from.imapsPort, 700_000);
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      const taken = async (): Promise<number> =>
        (await client.query<{ taken: number }>(`SELECT count(*)::int AS taken FROM mailferry.source_slots`)).rows[0]!
          .taken;
      try {
        const copying = startCopy(['copy', '--from', urlOf(from, wire.port), '--to', urlOf(to), '--json'], {
          ...{ dataDir, databaseUrl: database.url, from: from.password, to: to.password },
          env: { MAILFERRY_HOST_CONNECTIONS: '1' },
        });
        await copying.event((event) => event.event === 'progress' && event.copied > 0);
        expect(await taken()).toBe(1);
        wire.letGo();
        expect(endOf((await copying.ended).out)).toMatchObject({ outcome: 'complete', copied: 400 });
        expect(wire.mostAtOnce).toBe(1);
        expect(await taken()).toBe(0);
      } finally {
        await client.end();
        wire.close();
      }
    },
    120_000 * PATIENCE,
  );

  it(
    'by SIGKILL doubles nothing and loses nothing when it is run again',
    async () => {
      const [from, to] = [await filled(400, 4_000, ['INBOX', 'A', 'B', 'C']), hoster.account()];
      const wire = await HoldingWire.before(from.imapsPort, 700_000);
      try {
        const options = {
          dataDir,
          databaseUrl: database.url,
          from: from.password,
          to: to.password,
          script: 'test/standalone/fast-copy.mjs',
        };
        const args = [urlOf(from, wire.port), urlOf(to)];
        const first = startCopy(args, options);
        await first.event((event) => event.event === 'progress' && event.copied > 0);
        first.child.kill('SIGKILL');
        expect((await first.ended).signal).toBe('SIGKILL');
        wire.letGo();
        const again = await startCopy(args, options).ended;
        expect(again.code).toBe(0);
        expect(endOf(again.out)).toMatchObject({ outcome: 'complete', found: 400, copied: 400 });
        expect(await contents(to)).toEqual(await contents(from));
        const client = new pg.Client({ connectionString: database.url });
        await client.connect();
        const { rows } = await client.query(`SELECT count(*)::int AS credentials FROM mailferry.credentials`);
        await client.end();
        expect(rows).toEqual([{ credentials: 0 }]);
      } finally {
        wire.close();
      }
    },
    120_000 * PATIENCE,
  );
});

/** Files below the folder that hold the text. */
function holders(dir: string, text: string): string[] {
  try {
    const found = execFileSync('grep', ['-rlaF', '--', text, dir], { encoding: 'utf8' });
    return found.split('\n').filter((file) => file !== '' && existsSync(file));
  } catch {
    return readdirSync(dir).length > 0 ? [] : [dir];
  }
}
