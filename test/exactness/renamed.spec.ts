import { afterAll, describe, expect, it } from '@jest/globals';
import { message } from '../contracts/messages.js';
import { accountOn, type TestAccount } from '../servers/dovecot.js';
import { fill, type MailServer, onServer, seeMailbox, serverKinds, wireName, withRaw } from '../servers/kinds.js';
import { privateDovecot, stopPrivateServers } from '../servers/private.js';
import { encodeName, quoted } from '../servers/raw-imap.js';
import { Migration } from './transfer.js';

const kinds = await serverKinds();
const plain = await privateDovecot({ format: 'mdbox' });
afterAll(stopPrivateServers);

const other: MailServer = { name: 'Dovecot', prefix: '', separator: '/', account: async () => accountOn(plain) };
const put = (server: MailServer, to: TestAccount, folder: string, ...numbers: number[]) => {
  const date = '13-May-2014 16:53:20 +0000';
  const mail = (n: number) => ({ path: folder.split('/'), bytes: message(n), flags: ['\\Seen'], date });
  return fill(server, to, numbers.map(mail));
};
const nameOn = (server: MailServer, folder: string) => quoted(encodeName(wireName(server, folder.split('/'))));
const rename = (server: MailServer, account: TestAccount, ...pairs: [string, string][]) =>
  withRaw(account, async (imap) => {
    for (const [from, to] of pairs) await imap.command(`RENAME ${nameOn(server, from)} ${nameOn(server, to)}`);
  });
const folders = async (server: MailServer, account: TestAccount) => {
  const seen = [...(await seeMailbox(server, account)).values()].filter(({ messages }) => messages.length > 0);
  return Object.fromEntries(seen.map(({ path, messages }) => [path, messages.length]));
};
const done = { is: 'completed', outcome: 'complete' };

for (const kind of kinds)
  onServer(kind, (server) => {
    describe('as the old server', () => {
      it('shows renamed, swapped and remade folders, and nothing is copied twice or into the wrong place', async () => {
        const [from, to] = [await server.account(), await other.account()];
        await put(server, from, 'Work', 1, 2, 3);
        await put(server, from, 'Left', 4, 5);
        await put(server, from, 'Right', 6);
        await put(server, from, 'Fresh', 7, 8);
        const migration = new Migration(from, to);
        expect((await migration.run()).end).toEqual(done);
        await rename(server, from, ['Work', 'Office']);
        await rename(server, from, ['Left', 'Middle'], ['Right', 'Left'], ['Middle', 'Right']);
        await withRaw(from, (imap) => imap.command(`DELETE ${nameOn(server, 'Fresh')}`));
        await put(server, from, 'Fresh', 8, 9);
        await put(server, from, 'Office', 10);
        await put(server, from, 'Right', 11);
        const second = await migration.run();
        expect(second.end).toEqual(done);
        expect(second.counts).toMatchObject({ found: 10, copied: 3, alreadyThere: 7 });
        expect(second.remarks['SOURCE_FOLDER_RENAMED']).toBe(3);
        const there = { Work: 4, Left: 3, Right: 1, Fresh: 3 };
        expect(await folders(other, to)).toEqual(there);
        expect((await migration.run()).counts).toMatchObject({ copied: 0, alreadyThere: 10 });
        expect(await folders(other, to)).toEqual(there);
      }, 120_000);
    });

    describe('as the new server', () => {
      it('has folders that its owner renamed, swapped and removed: they are followed and not made again', async () => {
        const [from, to] = [await other.account(), await server.account()];
        await put(other, from, 'Work', 1, 2, 3);
        await put(other, from, 'Left', 4, 5);
        await put(other, from, 'Right', 6);
        await put(other, from, 'Gone', 7);
        const migration = new Migration(from, to);
        expect((await migration.run()).end).toEqual(done);
        await rename(server, to, ['Work', 'Mine']);
        await rename(server, to, ['Left', 'Middle'], ['Right', 'Left'], ['Middle', 'Right']);
        await withRaw(to, (imap) => imap.command(`DELETE ${nameOn(server, 'Gone')}`));
        await put(other, from, 'Work', 10);
        await put(other, from, 'Left', 11);
        const second = await migration.run();
        expect(second.end).toEqual(done);
        expect(second.counts).toMatchObject({ found: 9, copied: 2, alreadyThere: 7 });
        expect(second.remarks['FOLDER_NOT_REMADE']).toBe(1);
        // Courier numbers a folder anew when it is renamed: there nothing tells that it is the same one.
        const followed = server.name !== 'Courier';
        expect(second.remarks['DESTINATION_FOLDER_RENAMED'] ?? 0).toBe(followed ? 3 : 0);
        const there = followed ? { Mine: 4, Right: 3, Left: 1 } : { Mine: 3, Work: 1, Right: 2, Left: 2 };
        expect(await folders(server, to)).toEqual(there);
        await put(other, from, 'Gone', 12);
        expect((await migration.run()).counts).toMatchObject({ copied: 1, alreadyThere: 9 });
        expect(await folders(server, to)).toEqual({ ...there, Gone: 1 });
      }, 120_000);
    });
  });
