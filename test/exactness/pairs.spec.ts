import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import type { TestAccount } from '../servers/dovecot.js';
import {
  fill,
  type MailServer,
  outline,
  seeMailbox,
  type SeenFolder,
  type SeenMessage,
  serverKinds,
  wireName,
  withRaw,
} from '../servers/kinds.js';
import { stopPrivateServers } from '../servers/private.js';
import { encodeName, quoted } from '../servers/raw-imap.js';
import { imapDate } from '../sources/imap/dovecot-mailbox.js';
import { Migration } from './transfer.js';

const MESSAGES = 200;
const TWINS = 3;
const kinds = await serverKinds();
afterAll(stopPrivateServers);

/** Where a folder of the source has to be found: a dot is no letter where it separates levels. */
const placeAt = (to: MailServer, path: string): string => (to.separator === '.' ? path.replaceAll('.', '-') : path);

/** Courier ends every message with a line end; all others keep the bytes. */
function bytesAt(to: MailServer, { bytes }: SeenMessage): Buffer {
  if (to.name !== 'Courier' || bytes.subarray(-2).equals(Buffer.from('\r\n'))) return bytes;
  return Buffer.concat([bytes, Buffer.from('\r\n')]);
}

const look = (bytes: Buffer, { flags, date }: SeenMessage): string =>
  `${bytes.toString('latin1')} ${flags.join(' ')} ${date}`;

for (const from of kinds)
  describe(`from ${from.name}`, () => {
    if ('missing' in from) return it.skip(`cannot be had here: ${from.missing}`, () => undefined);
    let account: TestAccount;
    let before: Map<string, SeenFolder>;
    beforeAll(async () => {
      account = await from.server.account();
      const messages = [...fixtureMailbox(MESSAGES)];
      const some = messages.map(({ path, message, flags, date }) => ({
        path: path.split('/'),
        bytes: message,
        flags,
        date: imapDate({ seconds: Math.floor(date.getTime() / 1000), offset: 0 }),
      }));
      // Twins with everything equal, and twins with other flags.
      const twins = [some[0]!, some[0]!, { ...some[0]!, flags: ['\\Seen'] }];
      await fill(from.server, account, [...some, ...twins]);
      await withRaw(account, async (imap) => {
        for (const path of [['Work'], ['Work', '2024', 'Über & Maß'], ['Sent']])
          await imap.command(`SUBSCRIBE ${quoted(encodeName(wireName(from.server, path)))}`);
        await imap.command(`CREATE ${quoted(wireName(from.server, ['Empty']))}`);
      });
      before = await seeMailbox(from.server, account);
    });

    for (const to of kinds) {
      if ('missing' in to) it.skip(`to ${to.name}: cannot be had here: ${to.missing}`, () => undefined);
      else
        it(
          `to ${to.name}: bytes, flags, keywords, dates, folders, subscriptions and twins are the same`,
          () => copied(to.server),
          60_000,
        );
    }

    it('and is itself as it was', async () => {
      expect(outline(await seeMailbox(from.server, account))).toEqual(outline(before));
    });

    async function copied(to: MailServer): Promise<void> {
      const target = await to.account();
      const migration = new Migration(account, target);
      const first = await migration.run();
      const after = await seeMailbox(to, target);
      for (const folder of before.values()) {
        const there = after.get(placeAt(to, folder.path));
        if (there === undefined) throw new Error(`${folder.path} is missing: ${[...after.keys()].join(', ')}`);
        const expected = folder.messages.map((one) => look(bytesAt(to, one), one)).sort();
        expect([folder.path, there.messages.map((one) => look(one.bytes, one)).sort()]).toEqual([
          folder.path,
          expected,
        ]);
        if (folder.subscribed) expect([folder.path, there.subscribed]).toEqual([folder.path, true]);
      }
      const all = MESSAGES + TWINS;
      expect(first.counts).toEqual({ found: all, copied: all, alreadyThere: 0, skipped: 0, failed: 0 });
      expect(first.end).toEqual({ is: 'completed', outcome: 'complete' });
      const longer = [...before.values()].flatMap(({ messages }) =>
        messages.filter((one) => bytesAt(to, one) !== one.bytes),
      );
      const renamed = [...before.keys()].filter((path) => placeAt(to, path) !== path);
      expect(first.remarks).toEqual({
        ...(longer.length > 0 ? { SIZE_CHANGED: longer.length } : {}),
        ...(renamed.length > 0 ? { FOLDER_RENAMED: renamed.length } : {}),
      });
      if (to.name !== 'Courier') expect(after.get('Sent')?.attributes).toContain('\\Sent');

      // Another pass finds nothing to do, and a migration that has lost its ledger knows everything again by its content.
      const second = await migration.run();
      expect(second.counts).toEqual({ found: all, copied: 0, alreadyThere: all, skipped: 0, failed: 0 });
      if (from !== kinds[0]) return;
      const afresh = await new Migration(account, target).run();
      expect(afresh.counts).toEqual({
        found: all,
        copied: longer.length,
        alreadyThere: all - longer.length,
        skipped: 0,
        failed: 0,
      });
    }
  });
