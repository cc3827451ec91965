import { afterEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { message } from '../contracts/messages.js';
import { hoster, type TestAccount } from '../servers/dovecot.js';
import { GERMAN, type GmailServer, startGmail } from '../servers/gmail.js';
import { type MailServer, seeMailbox } from '../servers/kinds.js';
import { gmailSource } from '../sources/gmail-account.js';
import { Migration } from './transfer.js';

const servers: GmailServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
const dovecot: MailServer = { name: 'Dovecot', prefix: '', separator: '/', account: async () => hoster.account() };
const done = { is: 'completed', outcome: 'complete' };

async function german(): Promise<GmailServer> {
  const server = await startGmail({ root: '[Google Mail]', names: GERMAN });
  servers.push(server);
  const add = (n: number, labels: string[], flags: string[] = []) => server.add(message(n), { labels, flags });
  add(1, ['\\Inbox', '\\Important', 'Arbeit'], ['\\Seen']);
  add(2, ['Arbeit', 'Arbeit/Büro'], ['\\Flagged']);
  add(3, ['\\Sent', 'Arbeit'], ['\\Seen']);
  add(4, ['\\Draft'], ['\\Draft']);
  add(5, [], ['\\Answered']);
  add(6, ['\\Spam']);
  add(7, ['\\Trash']);
  // Equal twins are two messages.
  server.add(message(5), {});
  return server;
}
const sorted = (list: readonly unknown[]) => [...list].map(String).sort();
const seen = async (to: TestAccount) => {
  const folders = [...(await seeMailbox(dovecot, to)).values()].filter(({ messages }) => messages.length > 0);
  return Object.fromEntries(
    folders.map(({ path, messages }) => [path, messages.map(({ flags }) => flags.join(' ')).sort()]),
  );
};

describe('from Gmail into Dovecot', () => {
  it('arrives one copy of each message, in special folders whatever their language, and a second run adds nothing', async () => {
    const [server, to] = [await german(), await dovecot.account()];
    const migration = new Migration(() => gmailSource(server), to);
    const first = await migration.run();
    expect(first.end).toEqual(done);
    expect(first.counts).toEqual({ found: 8, copied: 6, alreadyThere: 0, skipped: 2, failed: 0 });
    expect(await seen(to)).toEqual({
      INBOX: ['\\Seen'],
      'Arbeit/Büro': ['\\Flagged'],
      Sent: ['\\Seen'],
      Drafts: ['\\Draft'],
      Archive: ['', '\\Answered'],
    });
    const there = [...(await seeMailbox(dovecot, to)).values()].flatMap(({ messages }) => messages);
    const wanted = server.messages.filter(({ n }) => n !== 6 && n !== 7);
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(sorted(there.map(({ sha256 }) => sha256))).toEqual(sorted(wanted.map(({ bytes }) => hash(bytes))));
    expect(sorted(there.map(({ date }) => date))).toEqual(
      sorted(wanted.map(({ date }) => Date.parse(date.replace(/-/g, ' ')) / 1000)),
    );
    expect(first.remarks).toMatchObject({ LABEL_VIEW: 2, CHATS: 1, LABEL_DROPPED: 3 });
    const second = await migration.run();
    expect(second.counts).toEqual({ found: 8, copied: 0, alreadyThere: 6, skipped: 2, failed: 0 });
    const given = server.bytesDown;
    expect((await migration.run({ includeFolders: [['[Google Mail]', 'Papierkorb']] })).counts).toMatchObject({
      copied: 1,
      skipped: 1,
    });
    expect(server.bytesDown - given).toBeLessThan(20_000);
    expect((await seen(to))['Trash']).toHaveLength(1);
  }, 60_000);

  it('keeps labels as keywords, brings their changes, moves nothing that was archived since, and says so', async () => {
    const [server, to] = [await german(), await dovecot.account()];
    const migration = new Migration(() => gmailSource(server, { labels: 'keywords' }), to);
    expect((await migration.run()).end).toEqual(done);
    expect(await seen(to)).toMatchObject({
      INBOX: ['$Important Arbeit \\Seen'],
      'Arbeit/Büro': ['Arbeit \\Flagged'],
      Sent: ['Arbeit \\Seen'],
    });
    server.relabel(3, ['\\Sent', 'Arbeit', 'Neu']);
    server.relabel(1, ['Arbeit']);
    server.messages[0]!.flags = ['\\Seen', '\\Answered'];
    server.delete(4);
    const second = await migration.run();
    expect(second.end).toEqual(done);
    expect(second.counts).toMatchObject({ copied: 0, alreadyThere: 5 });
    expect(await seen(to)).toMatchObject({
      INBOX: ['\\Answered \\Seen'],
      Sent: ['Arbeit Neu \\Seen'],
      Drafts: ['\\Draft'],
    });
    expect(second.remarks).toMatchObject({ MOVED_AT_SOURCE: 1, REMOVED_AT_SOURCE: 1, FLAGS_UPDATED: 2 });
  }, 60_000);
});
