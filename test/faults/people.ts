/** Other people at a mailbox while it is copied: they receive, delete, move and rebuild, by a client of their own. */
import type { TestAccount } from '../servers/dovecot.js';
import { listed, type SeenMessage, seen, withRaw } from '../servers/mailbox-view.js';
import { quoted, type RawImap } from '../servers/raw-imap.js';

/** What tells a message from another one in a comparison. */
export function looksOf({ sha256, date, flags }: Pick<SeenMessage, 'sha256' | 'date' | 'flags'>): string {
  return `${sha256.slice(0, 16)} ${date} ${flags.join(' ').toLowerCase()}`;
}

/** When people receive mail: nothing that is copied is of that moment. */
const CAME = '01-Mar-2021 10:00:00 +0000';

/** @returns the message that came, as it looks. What the engine has on the wire lands beside it meanwhile. */
export function receive(account: TestAccount, folder: string, text: string | Buffer): Promise<string[]> {
  return withRaw(account, async (imap) => {
    const known = new Set((await messagesOf(imap, folder)).map(({ uid }) => uid));
    await imap.command(`APPEND ${quoted(folder)} "${CAME}" `, Buffer.from(text as string));
    const came = (await messagesOf(imap, folder)).filter(
      ({ uid, date }) => !known.has(uid) && date === Date.parse(CAME.replaceAll('-', ' ')) / 1_000,
    );
    return came.map(looksOf);
  });
}

/** @returns the message that is gone from the folder, as it looked; none if there are not so many. */
export function remove(account: TestAccount, folder: string, nth: number, into?: string): Promise<string[]> {
  return withRaw(account, async (imap) => {
    const message = (await messagesOf(imap, folder))[nth];
    if (message === undefined) return [];
    await imap.command(`SELECT ${quoted(folder)}`);
    if (into !== undefined) {
      await imap.command(`CREATE ${quoted(into)}`).catch(() => undefined);
      await imap.command(`UID COPY ${message.uid} ${quoted(into)}`);
    }
    await imap.command(`UID STORE ${message.uid} +FLAGS.SILENT (\\Deleted)`);
    await imap.command(`UID EXPUNGE ${message.uid}`);
    return [looksOf(message)];
  });
}

/** The same messages under another UIDVALIDITY and other UIDs. */
export function rebuild(account: TestAccount, folder: string): Promise<void> {
  return withRaw(account, async (imap) => {
    const messages = await messagesOf(imap, folder);
    const aside = `${folder}-rebuilt`;
    await imap.command(`CREATE ${quoted(aside)}`);
    if (messages.length > 0) {
      await imap.command(`SELECT ${quoted(folder)}`);
      await imap.command(`COPY 1:* ${quoted(aside)}`);
      await imap.command(`SELECT ${quoted(aside)}`);
    }
    await imap.command(`DELETE ${quoted(folder)}`);
    await imap.command(`RENAME ${quoted(aside)} ${quoted(folder)}`);
  });
}

async function messagesOf(imap: RawImap, folder: string): Promise<SeenMessage[]> {
  const there = listed(await imap.command(`LIST "" ${quoted(folder)}`)).length > 0;
  if (!there) return [];
  const opened = await imap.command(`EXAMINE ${quoted(folder)}`);
  if (opened.some((line) => / 0 EXISTS$/.test(String(line[0])))) return [];
  return (await imap.command('UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])')).flatMap(seen);
}
