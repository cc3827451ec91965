import { afterAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { emptyDatabase, freshDatabase } from '../servers/database.js';
import {
  accountOn,
  appendMessage,
  appendMessages,
  hoster,
  oldProvider,
  readMailbox,
  runCommands,
} from '../servers/dovecot.js';
import { privateDovecot, stopPrivateServers } from '../servers/private.js';
import { decodeName, encodeName } from '../servers/raw-imap.js';

afterAll(stopPrivateServers);

const tables = async (url: string): Promise<number> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const found = await client.query(`SELECT count(*)::int n FROM pg_tables WHERE schemaname = 'mailferry'`);
    return (found.rows[0] as { n: number }).n;
  } finally {
    await client.end();
  }
};

describe('the servers that specs are given', () => {
  it('give each spec a database of its own with our tables, and an empty one where that is wished', async () => {
    const [first, second, empty] = await Promise.all([freshDatabase(), freshDatabase(), emptyDatabase()]);
    expect(first.url).not.toBe(second.url);
    expect(await tables(first.url)).toBeGreaterThan(10);
    expect(await tables(second.url)).toBe(await tables(first.url));
    expect(await tables(empty.url)).toBe(0);
    await Promise.all([first.drop(), second.drop(), empty.drop()]);
    await expect(tables(first.url)).rejects.toThrow(/does not exist/);
  });

  it('read back what was appended, byte for byte, with flags, date and folder', async () => {
    const account = oldProvider.account();
    const message = Buffer.from('Subject: caf\xe9 \x80\r\n\r\n{5}\r\n* 1 FETCH (\r\n)\r\n', 'latin1');
    await appendMessage(account, 'Ünïcode/& "quoted"', message, {
      flags: ['\\Seen', '$Label1'],
      date: new Date('2004-02-29T23:59:58Z'),
    });
    const folders = await readMailbox(account);
    expect(folders.map((folder) => folder.path)).toEqual([
      'Drafts',
      'INBOX',
      'Junk',
      'Sent',
      'Trash',
      'Ünïcode/& "quoted"',
    ]);
    expect(folders.find((folder) => folder.path === 'Sent')).toMatchObject({ specialUse: '\\Sent', subscribed: true });
    expect(folders.at(-1)?.messages).toEqual([
      expect.objectContaining({
        size: message.length,
        flags: ['$Label1', '\\Seen'],
        internalDate: '2004-02-29T23:59:58.000Z',
      }),
    ]);
  });

  it('read a mailbox without changing it', async () => {
    const account = hoster.account();
    await appendMessages(
      account,
      [1, 2, 3].map((n) => ({ path: 'INBOX', message: `Subject: ${n}\r\n\r\n${n}\r\n` })),
    );
    const before = await readMailbox(account);
    expect(await readMailbox(account)).toEqual(before);
    expect(before[1]?.messages.every((message) => message.flags.length === 0)).toBe(true);
  });

  it('make accounts at once, with the quota they were given', async () => {
    const account = hoster.account({ quota: '10K' });
    const big = `Subject: big\r\n\r\n${'x'.repeat(20_000)}\r\n`;
    await expect(appendMessage(account, 'INBOX', big)).rejects.toThrow(/OVERQUOTA/);
    await expect(appendMessage(hoster.account({ disabled: true }), 'INBOX', big)).rejects.toThrow();
  });

  it('give a Dovecot of another shape that may be killed and started again with its mail', async () => {
    const server = await privateDovecot({ prefix: 'INBOX.', separator: '.' });
    const account = accountOn(server);
    await appendMessage(account, 'INBOX.Old', 'Subject: a\r\n\r\nb\r\n');
    await server.kill();
    await expect(runCommands(account, 'NOOP')).rejects.toThrow();
    await server.restart();
    const folders = await readMailbox(account);
    expect(folders.find((folder) => folder.path === 'INBOX.Old')?.messages).toHaveLength(1);
  });

  it('write folder names as IMAP does', () => {
    expect(encodeName('Entwürfe & 日本語')).toBe('Entw&APw-rfe &- &ZeVnLIqe-');
    expect(decodeName('Entw&APw-rfe &- &ZeVnLIqe-')).toBe('Entwürfe & 日本語');
  });
});
