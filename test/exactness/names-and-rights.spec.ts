import { afterAll, describe, expect, it } from '@jest/globals';
import { mkdirSync, writeFileSync, chownSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { message } from '../contracts/messages.js';
import { startCourier } from '../servers/courier.js';
import { startCyrus } from '../servers/cyrus.js';
import { accountOn } from '../servers/dovecot.js';
import { fill, type MailServer, seeMailbox, withRaw } from '../servers/kinds.js';
import { privateDovecot, stopPrivateServers } from '../servers/private.js';
import { quoted } from '../servers/raw-imap.js';
import { Crash, Migration } from './transfer.js';

const [dovecot, cyrus, courier] = await Promise.all([
  privateDovecot({ format: 'mdbox' }),
  startCyrus(),
  startCourier(),
]);
afterAll(stopPrivateServers);
const date = '13-May-2014 16:53:20 +0000';
const slash = { prefix: '', separator: '/' };
const old: MailServer = { ...slash, name: 'Dovecot', account: async () => accountOn(dovecot) };
const mail = (n: number, ...path: string[]) => ({ path, bytes: message(n), flags: ['\\Seen'], date });

describe('Cyrus as the new server', () => {
  if (typeof cyrus === 'string') return void it.skip(`cannot be had here: ${cyrus}`, () => undefined);
  const server: MailServer = { ...slash, name: 'Cyrus', account: () => cyrus.account() };

  it('gets names it refuses in other letters, one for one, told once, and the same in the next run', async () => {
    const [from, to] = [await old.account(), await server.account()];
    const names = ['a%b', 'a^b', 'a"b', 'a\\b', 'a_b'];
    await fill(
      old,
      from,
      names.map((name, n) => mail(n, name)),
    );
    const migration = new Migration(from, to);
    const first = await migration.run();
    expect(first.end).toEqual({ is: 'completed', outcome: 'complete' });
    const seen = await seeMailbox(server, to);
    const made = [...seen.values()].filter(({ path }) => path.startsWith('a_b'));
    const there = made.map(({ path, messages }) => `${path}: ${messages.length}`).sort();
    expect(there).toEqual(['a_b (2): 1', 'a_b (3): 1', 'a_b (4): 1', 'a_b (5): 1', 'a_b: 1']);
    expect(first.remarks).toEqual({ FOLDER_RENAMED: 4 });
    expect((await migration.run()).counts).toMatchObject({ copied: 0, alreadyThere: 5 });
    expect([...(await seeMailbox(server, to)).keys()].sort()).toEqual([...seen.keys()].sort());
  });

  it('is not written into a folder that is closed to us: its mail goes beside it', async () => {
    const [from, to] = [await old.account(), await server.account()];
    await fill(old, from, [mail(1, 'Work')]);
    const name = to.user.replace('@', '/Work@');
    await cyrus.asAdmin(`CREATE ${quoted(`user/${name}`)}`, `SETACL ${quoted(`user/${name}`)} ${quoted(to.user)} lrs`);
    const told = await new Migration(from, to).run();
    expect(told.counts).toMatchObject({ copied: 1, failed: 0 });
    expect((await seeMailbox(server, to)).get('Work (2)')?.messages).toHaveLength(1);
    expect(told.remarks).toEqual({ FOLDER_RENAMED: 1 });
  });

  it('says that it is full, and the run waits for a person', async () => {
    const [from, to] = [await old.account(), await cyrus.account({ quotaKb: 64 })];
    await fill(
      old,
      from,
      [1, 2, 3, 4].map((n) => ({ ...mail(n, 'INBOX'), bytes: message(n, { size: 30_000 }) })),
    );
    const told = await new Migration(from, to).run();
    expect(told.end).toMatchObject({ is: 'broken', error: { code: 'QUOTA_EXCEEDED', retry: 'user' } });
  });

  it('knows what was on the way at a crash again although it stores an X for each 8-bit byte of a header', async () => {
    const [from, to] = [await old.account(), await server.account()];
    const raw = (n: number) =>
      Buffer.from(`Message-ID: <${n}@x>\r\nSubject: Gr\xfc\xdfe aus K\xf6ln X ${n}\r\n\r\nbody ${n}\r\n`, 'latin1');
    await fill(
      old,
      from,
      [1, 2, 2].map((n) => ({ ...mail(n, 'INBOX'), bytes: raw(n) })),
    );
    const migration = new Migration(from, to);
    await expect(migration.run({}, 'stored-batch')).rejects.toBeInstanceOf(Crash);
    expect((await seeMailbox(server, to)).get('INBOX')?.messages).toHaveLength(3);
    const told = await migration.run();
    expect(told.counts).toMatchObject({ found: 3, failed: 0 });
    expect((await seeMailbox(server, to)).get('INBOX')?.messages).toHaveLength(3);
  });

  it('keeps a hundred keywords in a folder: one more that appears later is told, and the rest goes on', async () => {
    const [from, to] = [await old.account(), await server.account()];
    const keywords = Array.from({ length: 100 }, (_, i) => `kw${i}`);
    await fill(old, from, [{ ...mail(1, 'INBOX'), flags: keywords }, mail(2, 'INBOX'), mail(3, 'INBOX')]);
    const migration = new Migration(from, to);
    expect((await migration.run()).end).toEqual({ is: 'completed', outcome: 'complete' });
    await withRaw(from, async (imap) => {
      await imap.command('SELECT INBOX');
      await imap.command('STORE 2 +FLAGS (\\Flagged another)');
      await imap.command('STORE 3 +FLAGS (\\Answered kw7)');
    });
    const told = await migration.run();
    expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
    expect(told.details.some((one) => one.includes('"FLAG_DROPPED"') && one.includes('another'))).toBe(true);
    const flags = (await seeMailbox(server, to)).get('INBOX')!.messages.map((one) => one.flags);
    expect(flags[1]).toEqual(['\\Flagged', '\\Seen']);
    expect(flags[2]).toEqual(['\\Answered', '\\Seen', 'kw7'].sort());
    expect((await migration.run()).remarks).toEqual({});
  });

  it('tells special folders under any name', async () => {
    const [from, to] = [await cyrus.account({ special: ['Sent'] }), await old.account()];
    await cyrus.asAdmin(
      `RENAME ${quoted(`user/${from.user.replace('@', '/Sent@')}`)} ${quoted(`user/${from.user.replace('@', '/Postausgang@')}`)}`,
    );
    await fill(server, from, [mail(1, 'Postausgang')]);
    await new Migration(from, to).run();
    expect((await seeMailbox(old, to)).get('Sent')?.messages).toHaveLength(1);
  });
});

describe('Courier as the old server', () => {
  if (typeof courier === 'string') return void it.skip(`cannot be had here: ${courier}`, () => undefined);

  it('is known again in the next run although no program ever opened its folder', async () => {
    const [from, to] = [courier.account(), await old.account()];
    const folder = join(courier.maildir(from), '.Old');
    const { uid, gid } = statSync(courier.maildir(from));
    for (const part of ['', 'cur', 'new', 'tmp']) {
      mkdirSync(join(folder, part), { recursive: true });
      chownSync(join(folder, part), uid, gid);
    }
    for (const n of [1, 2, 3]) {
      const file = join(folder, 'new', `140000000${n}.M${n}.host`);
      writeFileSync(file, message(n).toString().replaceAll('\r\n', '\n'));
      chownSync(file, uid, gid);
    }
    const migration = new Migration(from, to);
    expect((await migration.run()).counts).toMatchObject({ found: 3, copied: 3 });
    await new Promise((done) => setTimeout(done, 1_100));
    expect((await migration.run()).counts).toMatchObject({ found: 3, copied: 0, alreadyThere: 3 });
    const there = (await seeMailbox(old, to)).get('Old');
    expect(there?.messages.map(({ flags }) => flags)).toEqual([[], [], []]);
  });

  it('as the new one says that it is full', async () => {
    const [from, to] = [await old.account(), courier.account({ quota: '65536S' })];
    await fill(
      old,
      from,
      [1, 2, 3, 4].map((n) => ({ ...mail(n, 'INBOX'), bytes: message(n, { size: 30_000 }) })),
    );
    const told = await new Migration(from, to).run();
    expect(told.end).toMatchObject({ is: 'broken', error: { code: 'QUOTA_EXCEEDED', retry: 'user' } });
  });
});
