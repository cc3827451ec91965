/** Servers that say things and do not mean them. */
import { afterEach, expect, it } from '@jest/globals';
import type { SourceFolder } from '../../../src/mailbox/folder.js';
import { folderId } from '../../../src/sources/imap/folder-ids.js';
import { ImapSource } from '../../../src/sources/imap/imap-source.js';
import { itemRef } from '../../../src/sources/imap/keys.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { collect } from '../../contracts/messages.js';
import { fetched, type Script, scriptedImap, type ScriptedImap, uidsIn } from '../../servers/scripted-imap.js';

const signal = new AbortController().signal;
const opened: { server: ScriptedImap; source: ImapSource }[] = [];
afterEach(async () => {
  for (const { server, source } of opened.splice(0)) {
    await source.close();
    await server.close();
  }
});

async function against(script: Script, capabilities: string): Promise<ImapSource> {
  const server = await scriptedImap(script, { capabilities });
  const source = new ImapSource({
    target: { host: '127.0.0.1', port: server.port, security: 'none' },
    login: async () => ({ kind: 'password', user: 'anna@old.test', password: 'secret' }),
    policy: { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs: 5_000 },
    owner: 'anna@old.test',
    openDeadlineMs: 5_000,
  });
  opened.push({ server, source });
  return source;
}

const inbox: SourceFolder = {
  ...{ id: folderId('INBOX'), path: ['INBOX'], kind: 'mail', epoch: '7', keyScope: 'folder' },
  ...{ selectable: true, subscribed: true, complete: true, items: null, bytes: null },
};

it.each(['NO', 'BAD'])('a sign-in after which NAMESPACE is answered by %s is none', async (how) => {
  const refuses: Script[string] = ({ tag, session }) =>
    session.send(`${tag} ${how} User is authenticated but not connected.\r\n`);
  const source = await against({ NAMESPACE: refuses, LIST: refuses }, 'IMAP4rev1 AUTH=PLAIN NAMESPACE');
  await expect(source.listFolders(signal)).rejects.toMatchObject({ code: 'ACCOUNT_UNAVAILABLE' });
});

it.each(['-1', '12.5', '0', '99999999999999999999'])(
  'a number of changes that is "%s" counts for nothing: everything is listed again',
  async (modseq) => {
    const numbers = `* 2 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT 3] next\r\n* OK [HIGHESTMODSEQ ${modseq}] changes\r\n`;
    const source = await against(
      {
        EXAMINE: ({ tag, session }) => session.send(`${numbers}${tag} OK [READ-ONLY] done\r\n`),
        STATUS: ({ tag, session }) =>
          session.send(
            `* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 7 HIGHESTMODSEQ ${modseq})\r\n${tag} OK done\r\n`,
          ),
        'UID FETCH': async ({ tag, rest, session }) => {
          for (const uid of uidsIn(rest.replace('*', '2')))
            await session.send(
              `* ${uid} FETCH (UID ${uid} FLAGS () INTERNALDATE "13-May-2014 16:53:20 +0000" RFC822.SIZE 21)\r\n`,
            );
          await session.send(`${tag} OK done\r\n`);
        },
      },
      'IMAP4rev1 AUTH=PLAIN CONDSTORE QRESYNC ENABLE',
    );
    const listed = async (since: Parameters<ImapSource['scan']>[1]) => {
      const pages = await collect(source.scan(inbox, since, signal));
      return { items: pages.flatMap(({ items }) => items).length, next: pages.at(-1)!.next };
    };
    const first = await listed(null);
    expect(first.items).toBe(2);
    expect((await listed(first.next)).items).toBe(2);
  },
);

it('a message of no bytes is named and nothing is made of it', async () => {
  const source = await against(
    {
      'UID FETCH': async ({ tag, rest, session }) => {
        for (const uid of uidsIn(rest)) await session.send(fetched(uid, uid === 2 ? '' : 'Subject: x\r\n\r\nx\r\n'));
        await session.send(`${tag} OK done\r\n`);
      },
    },
    'IMAP4rev1 AUTH=PLAIN LITERAL+',
  );
  const outcomes = await collect(source.read(inbox, [itemRef(7, 1), itemRef(7, 2)], new BodyStaging(), signal));
  expect(outcomes.map((outcome) => (outcome.is === 'unreadable' ? outcome.error.code : outcome.is)).sort()).toEqual([
    'EMPTY_MESSAGE',
    'staged',
  ]);
});
