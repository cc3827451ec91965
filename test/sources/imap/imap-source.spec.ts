import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ImapSource } from '../../../src/sources/imap/imap-source.js';
import { inspectImap } from '../../../src/sources/imap/inspect.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { bytesOf, collect, message } from '../../contracts/messages.js';
import { accountOn, appendMessages, oldProvider, runCommands } from '../../servers/dovecot.js';
import { privateDovecot, stopPrivateServers } from '../../servers/private.js';
import { deliver, loginOf, snapshot, sourceOn, targetOf } from './dovecot-mailbox.js';

const signal = new AbortController().signal;
const open: ImapSource[] = [];
const opened = (source: ImapSource): ImapSource => {
  open.push(source);
  return source;
};
afterEach(async () => {
  for (const source of open.splice(0)) await source.close();
});
const date = '13-May-2014 16:53:20 +0000';

describe('a Dovecot mailbox', () => {
  it('is read over STARTTLS as over TLS', async () => {
    const account = oldProvider.account();
    const target = { ...targetOf(account), port: account.imapPort, security: 'starttls' as const };
    const facts = await opened(sourceOn(account, { target })).connect(signal);
    expect(facts.gives).toEqual(['mail']);
  });

  it('is not opened with a certificate nobody vouches for, and no sign-in is sent', async () => {
    const account = oldProvider.account();
    const { ca: _ca, ...target } = targetOf(account);
    const source = opened(sourceOn(account, { target }));
    await expect(source.connect(signal)).rejects.toMatchObject({ code: 'TLS_UNTRUSTED', retry: 'user' });
  });

  it('is not opened with a wrong password', async () => {
    const account = oldProvider.account();
    const source = opened(sourceOn({ ...account, password: 'wrong' }));
    await expect(source.connect(signal)).rejects.toMatchObject({
      code: 'AUTH_FAILED',
      scope: 'account',
      retry: 'user',
    });
  });

  it("is opened by an administrator in its owner's name", async () => {
    const account = oldProvider.account();
    await deliver(account, ['INBOX'], message(1), [], date);
    const { name, password } = oldProvider.master;
    const login = async () => ({ kind: 'authzid', user: name, password, authzid: account.user }) as const;
    const source = opened(sourceOn(account, { login }));
    await source.connect(signal);
    expect((await source.listFolders(signal)).find(({ role }) => role === 'inbox')?.items).toBe(1);
  });

  it('shows counts, sizes and large messages without changing anything', async () => {
    const account = oldProvider.account();
    await deliver(account, ['INBOX'], message(1), ['\\Seen', '$Label1'], date);
    await deliver(account, ['Work', 'Grüße'], message(2, { size: 300_000 }), [], date);
    await runCommands(account, 'CREATE "Empty/Below"');
    const before = await snapshot(account);
    const source = opened(sourceOn(account));
    const found = await inspectImap(source, { largerThan: 100_000 }, signal);
    expect(found.totals.items).toBe(2);
    expect(found.totals.bytes).toBe(message(1).length + message(2, { size: 300_000 }).length);
    expect(found.larger).toBe(1);
    const paths = found.folders.map(({ path, selectable, role }) => [path.join('/'), selectable, role]);
    expect(paths).toEqual(
      expect.arrayContaining([
        ['Sent', true, 'sent'],
        ['Work', false, undefined],
        ['Work/Grüße', true, undefined],
      ]),
    );
    expect(await snapshot(account)).toBe(before);
  });

  it('is scanned in pages that a later scan can go on from, and says what changed since', async () => {
    const account = oldProvider.account();
    const many = Array.from({ length: 12 }, (_, i) => ({ path: 'INBOX', message: message(i) }));
    await appendMessages(account, many);
    const source = opened(sourceOn(account));
    await source.connect(signal);
    const inbox = (await source.listFolders(signal)).find(({ role }) => role === 'inbox')!;
    const pages = await collect(source.scan(inbox, null, signal));
    const last = pages.at(-1)!.next;
    const interrupted = await collect(source.scan(inbox, pages[0]!.next, signal));
    expect(interrupted.flatMap(({ items }) => items)).toEqual([]);
    await source.listFolders(signal);
    const nothing = await collect(source.scan(inbox, last, signal));
    expect(nothing.map(({ items, full }) => [items.length, full])).toEqual([[0, false]]);
    await runCommands(account, 'SELECT INBOX', 'STORE 3 +FLAGS (\\Flagged)');
    const changed = await collect(source.scan(inbox, last, signal));
    expect(changed.flatMap(({ items }) => items.map(({ key, flags }) => [key, flags]))).toEqual([
      [pages[0]!.items[2]!.key, ['\\Flagged']],
    ]);
    const state = changed.at(-1)!.next;
    expect((await collect(source.scan(inbox, state, signal))).flatMap(({ items }) => items)).toEqual([]);
  });

  it('lists everything again when the folder was made anew', async () => {
    const account = oldProvider.account();
    await deliver(account, ['Work'], message(1), [], date);
    const source = opened(sourceOn(account));
    await source.connect(signal);
    const work = async () => (await source.listFolders(signal)).find(({ path }) => path[0] === 'Work')!;
    const old = await work();
    const [page] = await collect(source.scan(old, null, signal));
    await runCommands(account, 'DELETE Work');
    await deliver(account, ['Work'], message(2), [], date);
    const now = await work();
    expect(now.epoch).not.toBe(old.epoch);
    const again = await collect(source.scan(now, page!.next, signal));
    expect(again.every(({ full }) => full)).toBe(true);
    expect(again.flatMap(({ items }) => items)).toHaveLength(1);
  });
});

describe('a Dovecot that counts connections and puts all below INBOX', () => {
  let server: Awaited<ReturnType<typeof privateDovecot>>;
  beforeAll(async () => {
    server = await privateDovecot({ prefix: 'INBOX.', separator: '.', maxUserIpConnections: 2 });
  });
  afterAll(stopPrivateServers);

  it('is read with the connections it allows', async () => {
    const account = accountOn(server);
    for (const name of ['INBOX', 'INBOX.A', 'INBOX.B', 'INBOX.C']) {
      await deliver(account, [name], message(1), [], date);
    }
    const source = opened(sourceOn(account, { maxConnections: 4 }));
    await source.connect(signal);
    const folders = (await source.listFolders(signal)).filter(({ items }) => items === 1);
    expect(folders.map(({ path }) => path.join('/')).sort()).toEqual(['A', 'B', 'C', 'INBOX']);
    const bodies = await Promise.all(
      folders.map(async (folder) => {
        const items = (await collect(source.scan(folder, null, signal))).flatMap((page) => page.items);
        const [outcome] = await collect(source.read(folder, items, new BodyStaging(), signal));
        if (outcome?.is !== 'staged') throw new Error(outcome?.is);
        const bytes = await bytesOf(outcome.item.body);
        await outcome.item.body.release();
        return bytes.equals(message(1));
      }),
    );
    expect(bodies).toEqual([true, true, true, true]);
  });

  it('goes on after all its sessions were cut', async () => {
    const account = accountOn(server);
    await deliver(account, ['INBOX'], message(1), [], date);
    const source = opened(sourceOn(account));
    await source.connect(signal);
    const inbox = (await source.listFolders(signal)).find(({ role }) => role === 'inbox')!;
    server.dropSessions();
    const pages = await collect(source.scan(inbox, null, signal));
    expect(pages.flatMap(({ items }) => items)).toHaveLength(1);
  });
});

it('the login is asked for at every connection', async () => {
  const account = oldProvider.account();
  let asked = 0;
  const login = async () => {
    asked++;
    return loginOf(account);
  };
  const source = opened(sourceOn(account, { login }));
  await source.connect(signal);
  expect(asked).toBe(1);
});
