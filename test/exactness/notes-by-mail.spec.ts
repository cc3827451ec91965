import { buildJournal } from '../../src/conversion/build/items.js';
import { noteFromMessage } from '../../src/conversion/notes/note-message.js';
import { hostedMailbox } from '../../src/destinations/hosted-mailbox.js';
import type { Destination } from '../../src/destinations/destination.js';
import type { ItemKind } from '../../src/mailbox/kinds.js';
import { DavSource } from '../../src/sources/dav/dav-source.js';
import { POLICY } from '../contracts/closed-network.js';
import { event } from '../contracts/objects.js';
import { contents, grantOf } from '../destinations/imap-mailbox.js';
import { hoster, type TestAccount } from '../servers/dovecot.js';
import { rawDavServer, type RawDavServer } from '../servers/raw-dav-server.js';
import { loopback } from '../sources/imap/dovecot-mailbox.js';
import { Migration } from './transfer.js';

const note = (n: number) => ({
  uid: `note-${n}@old.test`,
  modified: new Date(Date.UTC(2024, 4, n + 1, 8)),
  created: new Date(Date.UTC(2023, 4, n + 1, 8)),
  summary: `Größe ${n}`,
  description: `Zeile eins\nZeile zwei ${n}`,
});
const NOTES = [1, 2, 3].map(note);

let server: RawDavServer;
beforeAll(async () => {
  server = await rawDavServer([
    { name: 'Notes', kind: 'ics', objects: NOTES.slice(0, 2).map((one) => buildJournal(one)) },
    { name: 'Work', kind: 'ics', objects: [buildJournal(NOTES[2]!), Buffer.from(event(1))] },
  ]);
});
afterAll(() => server.close());

function source(): DavSource {
  const url = new URL(server.url);
  const login = async () => ({ kind: 'password', user: 'anna', password: 'x' }) as const;
  return new DavSource({ urls: { caldav: url, carddav: url }, login, policy: POLICY, owner: 'anna' });
}
const mailbox = (account: TestAccount, kinds: readonly ItemKind[]) => (): Destination =>
  hostedMailbox({ grant: async () => grantOf(account), policy: loopback, kinds });

test('notes become messages in Notes folders where the new server has no journals, once', async () => {
  const account = hoster.account();
  const kinds: ItemKind[] = ['notes', 'calendars'];
  const migration = new Migration(source, mailbox(account, kinds));
  const told = await migration.run({ kinds });
  expect(told.counts).toEqual({ found: 3, copied: 3, alreadyThere: 0, skipped: 0, failed: 0 });
  // Events have no place in mail.
  expect(told.remarks).toMatchObject({ KIND_NOT_TAKEN: 1 });
  const main = await contents(account, 'Notes');
  expect(main.map(({ bytes }) => noteFromMessage(bytes))).toEqual(NOTES.slice(0, 2));
  const [work] = await contents(account, 'Notes/Work');
  expect(noteFromMessage(work!.bytes)).toEqual(NOTES[2]);
  for (const { bytes, flags, date } of [...main, work!]) {
    const header = bytes.toString();
    expect(header).toContain('\r\nX-Uniform-Type-Identifier: com.apple.mail-note\r\n');
    expect(header).toContain(`From: <${account.user}>`);
    expect(flags).toEqual(['\\Seen']);
    expect(date.seconds * 1000).toBe(new Date(/^Date: (.*)\r$/m.exec(header)![1]!).getTime());
  }
  const again = await migration.run({ kinds });
  expect(again.counts).toMatchObject({ found: 3, copied: 0, alreadyThere: 3, failed: 0 });
  // Another migration, which knows nothing of the first.
  const afresh = await new Migration(source, mailbox(account, kinds)).run({ kinds });
  expect(afresh.counts).toMatchObject({ found: 3, copied: 0, alreadyThere: 3, failed: 0 });
  expect(await contents(account, 'Notes')).toHaveLength(2);
}, 120_000);

test('nothing of the mail is opened for notes that nobody asked for', async () => {
  const account = hoster.account();
  const told = await new Migration(source, mailbox(account, ['calendars'])).run({ kinds: ['calendars'] });
  expect(told.remarks).toMatchObject({ KIND_NOT_TAKEN: 1 });
  expect(await contents(account, 'Notes')).toEqual([]);
}, 60_000);
