import { afterEach, describe, expect, it } from '@jest/globals';
import type { SourceFolder } from '../../src/mailbox/folder.js';
import type { ItemMeta, ReadOutcome } from '../../src/mailbox/item.js';
import type { GmailSource, GmailSourceOptions } from '../../src/sources/gmail/gmail-source.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { bytesOf, collect, message } from '../contracts/messages.js';
import { GERMAN, type GmailOptions, type GmailServer, startGmail } from '../servers/gmail.js';
import { gmailSource } from './gmail-account.js';

const signal = new AbortController().signal;
const opened: { server: GmailServer; source: GmailSource }[] = [];
afterEach(async () => {
  for (const { server, source } of opened.splice(0)) {
    await source.close();
    await server.close();
  }
});

async function account(options: GmailOptions = {}, more: Partial<GmailSourceOptions> = {}) {
  const server = await startGmail(options);
  const source = gmailSource(server, more);
  opened.push({ server, source });
  return { server, source };
}
const list = async (source: GmailSource): Promise<SourceFolder[]> => {
  await source.connect(signal);
  return source.listFolders(signal);
};
const scan = async (source: GmailSource, folder: SourceFolder): Promise<ItemMeta[]> =>
  (await collect(source.scan(folder, null, signal))).flatMap((page) => page.items);
/** Numbers of the messages in each folder that is copied. */
async function places(source: GmailSource): Promise<Record<string, number>> {
  const told: Record<string, number> = {};
  for (const folder of (await list(source)).filter(({ selectable, optional }) => selectable && !optional))
    told[folder.path.join('/')] = (await scan(source, folder)).length;
  return told;
}

describe('an account with labels', () => {
  it('shows every message once: in the inbox, in sent mail, in the deepest of its labels, or in the archive', async () => {
    const { server, source } = await account();
    server.add(message(1), { labels: ['\\Inbox', '\\Important', 'Work'] });
    server.add(message(2), { labels: ['Work', 'Work/Deep', 'Ärger'], flags: ['\\Flagged'] });
    server.add(message(3), { labels: ['\\Sent', 'Work'] });
    server.add(message(4), { labels: ['\\Draft'], flags: ['\\Draft'] });
    server.add(message(5), {});
    server.add(message(6), { labels: ['Ärger'] });
    server.add(message(7), { labels: ['\\Spam'] });
    server.add(message(8), { labels: ['\\Trash'] });
    expect(await places(source)).toEqual({
      INBOX: 1,
      Work: 0,
      'Work/Deep': 1,
      Ärger: 1,
      '[Gmail]/All Mail': 1,
      '[Gmail]/Drafts': 1,
      '[Gmail]/Sent Mail': 1,
    });
    const folders = await source.listFolders(signal);
    const told = folders.map(({ path, role, optional, leftOut }) => [path.at(-1), role ?? leftOut?.code, !!optional]);
    expect(told).toEqual(
      expect.arrayContaining([
        ['All Mail', 'archive', false],
        ['Sent Mail', 'sent', false],
        ['Spam', 'junk', true],
        ['Trash', 'trash', true],
        ['Important', 'important', false],
        ['Chats', 'CHATS', false],
      ]),
    );
    expect(folders.filter(({ leftOut }) => leftOut).map(({ leftOut }) => leftOut!.code)).toEqual([
      'LABEL_VIEW',
      'LABEL_VIEW',
      'CHATS',
    ]);
    expect(folders.some(({ path }) => path.join() === '[Gmail]')).toBe(false);
    const spam = folders.find(({ role }) => role === 'junk')!;
    expect(await scan(source, spam)).toHaveLength(1);
    expect(folders.filter(({ selectable }) => selectable).every(({ keyScope }) => keyScope === 'account')).toBe(true);
  });

  it('is read by the special use of its folders, whatever language they are in', async () => {
    const { server, source } = await account({ root: '[Google Mail]', names: GERMAN });
    server.add(message(1), { labels: ['\\Sent'] });
    server.add(message(2), {});
    expect(await places(source)).toEqual({
      INBOX: 0,
      '[Google Mail]/Alle Nachrichten': 1,
      '[Google Mail]/Entwürfe': 0,
      '[Google Mail]/Gesendet': 1,
    });
  });

  it('gives each body once, with its flags, its labels as keywords if they are wanted, and keys that stay', async () => {
    const { server, source } = await account({}, { labels: 'keywords' });
    const bytes = message(1, { size: 40_000 });
    server.add(bytes, { labels: ['\\Inbox', '\\Important', 'Öl & Gas', 'Work/Deep'], flags: ['\\Seen', '\\Flagged'] });
    server.add(message(2), { labels: ['\\Inbox'] });
    const inbox = (await list(source)).find(({ role }) => role === 'inbox')!;
    const items = await scan(source, inbox);
    const outcomes = await collect(source.read(inbox, items, new BodyStaging(), signal));
    const first = outcomes.find(({ ref }) => ref.key === items[0]!.key) as ReadOutcome & { is: 'staged' };
    expect((await bytesOf(first.item.body)).equals(bytes)).toBe(true);
    const flags = ['$Important', '&ANY-l_&-_Gas', 'Work/Deep', '\\Flagged', '\\Seen'];
    expect([...first.item.flags].sort()).toEqual([...flags].sort());
    expect([...items[0]!.flags].sort()).toEqual([...flags].sort());
    for (const outcome of outcomes) if (outcome.is === 'staged') await outcome.item.body.release();
    server.relabel(1, []);
    const later = gmailSource(server);
    opened.push({ server, source: later });
    const archive = (await list(later)).find(({ role }) => role === 'archive')!;
    const [moved] = await scan(later, archive);
    expect(moved!.key).toBe(items[0]!.key);
    const described = await collect(later.describe(archive, [moved!], signal));
    expect(described).toEqual([expect.objectContaining({ key: moved!.key })]);
    expect(server.lines.filter((line) => /^\S+ (UID )?(SELECT|STORE|EXPUNGE|APPEND|COPY|MOVE)/.test(line))).toEqual([]);
  });

  it('reads a folder that holds more than All Mail shows of it, and says that a limit is set', async () => {
    const { server, source } = await account({ folderLimit: 2 });
    for (let n = 1; n <= 3; n++) server.add(message(n), { labels: ['Old'] });
    for (let n = 4; n <= 6; n++) server.add(message(n), { labels: ['\\Inbox'] });
    expect(await places(source)).toEqual({
      INBOX: 2,
      Old: 2,
      '[Gmail]/All Mail': 0,
      '[Gmail]/Drafts': 0,
      '[Gmail]/Sent Mail': 0,
    });
    const folders = await source.listFolders(signal);
    expect(folders.find(({ role }) => role === 'archive')).toMatchObject({ complete: false });
  });

  it('is read folder by folder where All Mail is hidden, and says what cannot be seen', async () => {
    const { server, source } = await account({ hidden: ['all', 'Secret'] });
    server.add(message(1), { labels: ['\\Inbox', 'Work'] });
    server.add(message(2), { labels: ['Work', 'Secret'] });
    server.add(message(3), {});
    expect(await places(source)).toEqual({ INBOX: 1, Work: 1, '[Gmail]/Drafts': 0, '[Gmail]/Sent Mail': 0 });
    const inbox = (await source.listFolders(signal)).find(({ role }) => role === 'inbox');
    expect(inbox).toMatchObject({ complete: false });
  });

  it('opens no more connections than it may, and waits when the volume of the day is used up', async () => {
    const { server, source } = await account({ maxConnections: 2, dailyBytes: 4_000 }, { maxConnections: 5 });
    for (let n = 1; n <= 4; n++) server.add(message(n, { size: 3_000 }), { labels: ['\\Inbox'] });
    const inbox = (await list(source)).find(({ role }) => role === 'inbox')!;
    const items = await scan(source, inbox);
    const reading = Promise.all(
      items.map(async (item) => {
        for await (const one of source.read(inbox, [item], new BodyStaging(), signal))
          if (one.is === 'staged') await one.item.body.release();
      }),
    );
    await expect(reading).rejects.toMatchObject({ code: 'VOLUME_EXHAUSTED', retry: 'later', scope: 'account' });
    expect(server.mostConnections).toBeLessThanOrEqual(2);
  });
});

it('leaves a message out only where every folder it is in is left out', async () => {
  const { server, source } = await account({}, { excludeFolders: [['Private']] });
  server.add(message(1), { labels: ['Private', 'Work'] });
  server.add(message(2), { labels: ['Private'] });
  expect(await places(source)).toMatchObject({ Private: 1, Work: 1 });
});
