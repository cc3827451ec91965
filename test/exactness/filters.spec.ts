/** What acts on mail at the new server: a person's own Sieve script at delivery, and scripts the hoster runs at APPEND. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hostedMailbox } from '../../src/destinations/hosted-mailbox.js';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { destinationOn, grantOf } from '../destinations/imap-mailbox.js';
import { accountOn, appendMessages, oldProvider, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { PRIVATE_MASTER, stopPrivateServers } from '../servers/private.js';
import { RawImap } from '../servers/raw-imap.js';
import { QUIET_MASTER, startSieve, type SieveServer } from '../servers/sieve.js';
import { loopback } from '../sources/imap/dovecot-mailbox.js';
import { smtp } from '../standalone/smtp.js';
import { Migration } from './transfer.js';

const FILTER = `require ["fileinto", "copy", "vacation", "mailbox", "imap4flags"];
redirect :copy "else@where.test";
vacation :days 1 "I am away.";
addflag "Filtered";
fileinto :create "Filtered";
`;
const ON_APPEND = `require ["copy", "imap4flags"];
redirect :copy "else@where.test";
addflag "Filtered";
`;
const MESSAGES = 12;
const incoming = (to: string): string =>
  `From: friend@where.test\r\nTo: ${to}\r\nSubject: Hello\r\nMessage-ID: <in@where.test>\r\n\r\nHello\r\n`;

const sink = await smtp();
const ordinary = await startSieve({ smtpPort: sink.port });
const acting = await startSieve({ smtpPort: sink.port, onAppend: ON_APPEND });
afterAll(async () => {
  await stopPrivateServers();
  sink.server.close();
});

/** Nothing more is on its way: what was sent before is there, and a message that is sent now comes last. */
async function sent(): Promise<number> {
  let before = -1;
  while (before !== sink.mails.length) {
    before = sink.mails.length;
    await sleep(300);
  }
  return before;
}

async function filledSource(): Promise<TestAccount> {
  const from = oldProvider.account();
  await appendMessages(from, fixtureMailbox(MESSAGES, 61));
  return from;
}

const withMail = async (account: TestAccount, leaveOut: readonly string[] = []) =>
  (await readMailbox(account))
    .filter(({ path, messages }) => messages.length > 0 && !leaveOut.includes(path))
    .map(({ path, messages }) => [path, messages]);

describe('filters at the new server', () => {
  if (typeof ordinary === 'string') return it.skip(`cannot be had here: ${ordinary}`, () => undefined);
  const server: SieveServer = ordinary;

  it("a person's own script, which files, forwards and answers what comes in, does not hear of what is copied", async () => {
    const to = accountOn(server);
    server.activate(to, FILTER);
    await server.deliver(to, incoming(to.user));
    // It works: forwarded, answered and filed.
    expect((await readMailbox(to)).find(({ path }) => path === 'Filtered')?.messages).toHaveLength(1);
    const before = await sent();
    expect(before).toBeGreaterThanOrEqual(2);
    const from = await filledSource();
    const told = await new Migration(from, () => destinationOn(to)).run();
    expect(told).toMatchObject({ end: { is: 'completed', outcome: 'complete' }, counts: { copied: MESSAGES } });
    expect(await withMail(to, ['Filtered'])).toEqual(await withMail(from));
    expect((await readMailbox(to)).find(({ path }) => path === 'Filtered')?.messages).toHaveLength(1);
    expect(await sent()).toBe(before);
  }, 120_000);
});

describe('scripts that the hoster runs at every APPEND', () => {
  if (typeof acting === 'string') return it.skip(`cannot be had here: ${acting}`, () => undefined);
  const server: SieveServer = acting;

  it('do not run for the account that Mailferry signs in with, where its line leaves imap_sieve out', async () => {
    const to = accountOn(server);
    const before = await sent();
    const imap = await RawImap.open(to.imapPort, to.user, to.password);
    await imap.command('APPEND INBOX ', Buffer.from(incoming(to.user)));
    await imap.command('CREATE Aside');
    await imap.command('SELECT INBOX');
    await imap.command('MOVE 1 Aside');
    await imap.close();
    const own = await sent();
    expect(own).toBe(before + 1);
    const from = await filledSource();
    const by =
      ({ name, password }: typeof QUIET_MASTER, target: TestAccount) =>
      () =>
        hostedMailbox({
          grant: async () => ({
            ...grantOf(target),
            kind: 'imap-authzid',
            authcid: name,
            password,
            authzid: target.user,
          }),
          policy: loopback,
        });
    // They work for everybody, administrators included.
    const other = accountOn(server);
    await new Migration(from, by(PRIVATE_MASTER, other)).run();
    const loud = await sent();
    expect(loud).toBe(own + MESSAGES);
    const told = await new Migration(from, by(QUIET_MASTER, to)).run();
    expect(told).toMatchObject({ end: { is: 'completed', outcome: 'complete' }, counts: { copied: MESSAGES } });
    expect(await withMail(to, ['Aside'])).toEqual(await withMail(from));
    expect(await sent()).toBe(loud);
  }, 120_000);
});
