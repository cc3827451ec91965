import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ImapFlow } from 'imapflow';
import { startDovecot, type DovecotServer } from '../infra/dovecot.js';
import type { RunningServer } from '../infra/process.js';
import { SANDBOX_MAILBOXES } from '../panel.js';
import { SANDBOX_DOMAIN } from '../people.js';
import type { SandboxRuntime } from '../runtime.js';
import { type CalendarServers, startCalendars } from './calendars.js';
import { sampleMailbox, SAMPLE_EMPTY_FOLDERS, SAMPLE_SPECIAL_USE } from './sample-mailbox.js';

/** Of every sandbox mailbox, old and new. Both servers answer on this machine's loopback only. */
const PASSWORD = 'sandbox';
const MASTER = 'mailferry';
const OLD_ACCOUNTS = ['alice@old.test', 'bob@old.test', 'carol@old.test', 'dora@old.test'];
/** Whoever has the whole sample; the others have a small mailbox each. */
const FULL = 'alice@old.test';
const SMALL = 12;
/** Names the text of the sample: another text is written into a fresh mailbox. */
const FILLED = 'filled-1';

export interface Sandbox extends SandboxRuntime {
  readonly servers: readonly RunningServer[];
}

/**
 * The old provider with a sample account, and the hoster's: a real mail server and a real CalDAV and CardDAV server each. What people did in them survives a restart.
 * @throws Error with one line that says what to install.
 */
export async function startSandbox(dataDir: string, say: (line: string) => void): Promise<Sandbox> {
  const dir = join(dataDir, 'sandbox');
  await mkdir(dir, { recursive: true });
  const secretFile = join(dir, 'master-password');
  if (!existsSync(secretFile)) writeFileSync(secretFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  const old = await startDovecot({
    dir,
    say,
    name: 'old',
    format: 'mdbox',
    specialUse: SAMPLE_SPECIAL_USE,
    users: OLD_ACCOUNTS.map((user) => ({ user, password: PASSWORD })),
    // Opens all of them, for a whole domain at once: `alice@old.test*master`.
    master: { name: 'master', password: PASSWORD },
  });
  const servers: RunningServer[] = [old];
  try {
    const hoster = await startDovecot({
      dir,
      say,
      name: 'hoster',
      format: 'maildir',
      escapeNames: true,
      users: SANDBOX_MAILBOXES.map((user) => ({ user, password: PASSWORD })),
      master: { name: MASTER, password: readFileSync(secretFile, 'utf8') },
    });
    servers.push(hoster);
    for (const user of OLD_ACCOUNTS) await fillOnce(old, user, say);
    const calendars = await calendarsBeside(dir, { oldDir: old.dir, hosterDir: hoster.dir }, secretFile, say);
    if (calendars !== null) servers.push(calendars.old, calendars.hoster);
    return {
      servers,
      destination: {
        imap: { host: hoster.host, port: hoster.imapsPort, security: 'tls', caFile: join(hoster.dir, 'ca.crt') },
        ...(calendars === null
          ? {}
          : { dav: { url: `${calendars.hoster.url}{user}/`, caFile: join(hoster.dir, 'ca.crt') } }),
        domains: [SANDBOX_DOMAIN],
        access: { kind: 'imap-authzid', authcid: MASTER, secretFile },
      },
      oldProvider: {
        host: old.host,
        port: old.imapsPort,
        plainPort: old.imapPort,
        caFile: join(old.dir, 'ca.crt'),
        dav: calendars === null ? null : { url: calendars.old.url, port: calendars.old.port },
        accounts: OLD_ACCOUNTS.map((user) => ({ user, password: PASSWORD })),
      },
    };
  } catch (error) {
    await Promise.allSettled(servers.map((server) => server.stop()));
    throw error;
  }
}

/** Null: there is no such server here. Mail can be tried all the same. */
async function calendarsBeside(
  dir: string,
  mail: { oldDir: string; hosterDir: string },
  secretFile: string,
  say: (line: string) => void,
): Promise<CalendarServers | null> {
  const people = {
    old: OLD_ACCOUNTS,
    full: FULL,
    hoster: SANDBOX_MAILBOXES,
    password: PASSWORD,
    master: { name: MASTER, password: readFileSync(secretFile, 'utf8') },
  };
  try {
    return await startCalendars(dir, mail, people, say);
  } catch (error) {
    say(`the sandbox has mail only: ${(error as Error).message.split('\n')[0]}`);
    return null;
  }
}

/** Puts the sample into the mailbox, once; a filling that was cut short begins again from nothing. */
async function fillOnce(server: DovecotServer, user: string, say: (line: string) => void): Promise<void> {
  const stamp = join(server.dir, `${FILLED}-${user}`);
  if (existsSync(stamp)) return;
  if (user === FULL) say('writing the sample mailbox of the sandbox');
  rmSync(server.accounts.homeOf(user), { recursive: true, force: true });
  const client = new ImapFlow({
    host: server.host,
    port: server.imapsPort,
    secure: true,
    tls: { ca: server.ca, servername: 'localhost' },
    auth: { user, pass: PASSWORD },
    logger: false,
  });
  // Without a listener a lost connection would end the process; the command that waits is refused anyway.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const made = new Set<string>(['INBOX']);
    const folder = async (path: readonly string[]): Promise<string> => {
      const name = path.join('/');
      if (!made.has(name)) {
        await client.mailboxCreate([...path]);
        await client.mailboxSubscribe(name);
        made.add(name);
      }
      return name;
    };
    let written = 0;
    for (const { path, message, flags, date } of sampleMailbox(user)) {
      if (user !== FULL && ++written > SMALL) break;
      await client.append(await folder(path), message, [...flags], date);
    }
    if (user === FULL) for (const path of SAMPLE_EMPTY_FOLDERS) await folder(path);
  } finally {
    await client.logout().catch(() => undefined);
  }
  writeFileSync(stamp, '');
}
