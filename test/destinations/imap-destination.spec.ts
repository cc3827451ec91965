import { afterEach, describe, expect, it } from '@jest/globals';
import type { Destination, PlacedItem, StoreOutcome } from '../../src/destinations/destination.js';
import type { ResolvedGrant } from '../../src/destinations/grant.js';
import { hostedMailbox } from '../../src/destinations/hosted-mailbox.js';
import type { DestinationFolder } from '../../src/mailbox/folder.js';
import type { StagedItem } from '../../src/mailbox/item.js';
import { staged, wantedFolder } from '../contracts/destination.contract.js';
import { collect, message } from '../contracts/messages.js';
import { hoster, readMailbox, runCommands, type TestAccount } from '../servers/dovecot.js';
import { loopback } from '../sources/imap/dovecot-mailbox.js';
import { contents, grantOf } from './imap-mailbox.js';

const signal = new AbortController().signal;
const open: Destination[] = [];
const items: StagedItem[] = [];
afterEach(async () => {
  for (const item of items.splice(0)) await item.body.release();
  for (const destination of open.splice(0)) await destination.close();
});

function destinationFor(grant: ResolvedGrant): Destination {
  const destination = hostedMailbox({ grant: async () => grant, policy: loopback });
  open.push(destination);
  return destination;
}
const endpointOf = (account: TestAccount) => grantOf(account).endpoint;

async function storeIn(destination: Destination, folder: DestinationFolder, bodies: Buffer[]): Promise<StoreOutcome[]> {
  const some = await Promise.all(bodies.map((bytes) => staged(bytes)));
  items.push(...some);
  const places = await destination.place(folder, some);
  const placed: PlacedItem[] = some.map((item, i) => ({ ...item, placement: places[i]! }));
  return collect(destination.store(folder, placed, () => true, signal));
}
async function inboxOf(destination: Destination): Promise<DestinationFolder> {
  await destination.connect(signal);
  const plan = await destination.planFolders([wantedFolder(['INBOX'], { role: 'inbox' })]);
  return (await destination.ensureFolders(plan, signal))[0]!;
}

describe('the way in', () => {
  it('is an administrator who acts as the owner, or a login that names both', async () => {
    const account = hoster.account();
    const { name, password } = hoster.master;
    const endpoint = endpointOf(account);
    const grants: ResolvedGrant[] = [
      { kind: 'imap-authzid', endpoint, authcid: name, password, authzid: account.user },
      { kind: 'imap-composite', endpoint, login: `${account.user}*${name}`, password },
    ];
    for (const [i, grant] of grants.entries()) {
      const destination = destinationFor(grant);
      const [outcome] = await storeIn(destination, await inboxOf(destination), [message(i)]);
      expect(outcome?.is).toBe('stored');
    }
    expect(await contents(account, 'INBOX')).toHaveLength(2);
  });

  it('does not lead into a mailbox that does not exist', async () => {
    const account = hoster.account();
    const { name, password } = hoster.master;
    const authzid = 'nobody-at-all@new.test';
    const grant: ResolvedGrant = {
      kind: 'imap-authzid',
      endpoint: endpointOf(account),
      authcid: name,
      password,
      authzid,
    };
    await expect(destinationFor(grant).connect(signal)).rejects.toMatchObject({
      side: 'destination',
      code: 'DESTINATION_NOT_OPENED',
      message: expect.stringContaining('does not exist'),
    });
  });
});

describe('a full mailbox', () => {
  it('is named, and what fits is there', async () => {
    const account = hoster.account({ quota: '64K' });
    const destination = destinationFor(grantOf(account));
    const facts = await destination.connect(signal);
    expect(facts.quota?.limitBytes).toBe(64 * 1024);
    const bodies = [1, 2, 3, 4].map((n) => message(n, { size: 25_000 }));
    const outcomes = await storeIn(destination, await inboxOf(destination), bodies);
    const stored = outcomes.filter(({ is }) => is === 'stored').length;
    const refused = outcomes.flatMap((outcome) => (outcome.is === 'refused' ? [outcome.error] : []));
    expect(stored + refused.length).toBe(4);
    expect(refused.length).toBeGreaterThan(0);
    expect(
      refused.every(({ code, scope, retry }) => `${code} ${scope} ${retry}` === 'QUOTA_EXCEEDED account user'),
    ).toBe(true);
    expect(await contents(account, 'INBOX')).toHaveLength(stored);
  });
});

describe('folders', () => {
  it('arrive with their subscriptions, special folders where they belong, and odd names mended', async () => {
    const account = hoster.account();
    const destination = destinationFor(grantOf(account));
    await destination.connect(signal);
    const plan = await destination.planFolders([
      wantedFolder(['INBOX'], { role: 'inbox' }),
      wantedFolder(['Gesendet'], { role: 'sent' }),
      wantedFolder(['Quiet'], { subscribed: false }),
      wantedFolder(['Box'], { selectable: false, epoch: null }),
      wantedFolder(['Box', 'Übersicht & 100 %']),
      wantedFolder(['~home']),
      wantedFolder(['a.b']),
      wantedFolder(['x'.repeat(2_000)]),
    ]);
    const made = await destination.ensureFolders(plan, signal);
    expect(made.find(({ role }) => role === 'sent')).toMatchObject({ path: ['Sent'], preExisting: true });
    const folders = new Map((await readMailbox(account)).map((folder) => [folder.path, folder]));
    expect(folders.get('Quiet')?.subscribed).toBe(false);
    expect(folders.get('Box/Übersicht & 100 %')?.subscribed).toBe(true);
    expect(folders.get('a.b')).toBeDefined();
    expect(made.every((folder) => folder.epoch !== '' && folder.sources.length === 1)).toBe(true);
    expect(made).toHaveLength(8);
  });

  it('that somebody removed meanwhile are missing, and nothing is stored elsewhere', async () => {
    const account = hoster.account();
    const destination = destinationFor(grantOf(account));
    await destination.connect(signal);
    const [folder] = await destination.ensureFolders(await destination.planFolders([wantedFolder(['Work'])]), signal);
    await runCommands(account, 'DELETE Work');
    const outcomes = await storeIn(destination, folder!, [message(1)]).catch((error: { code: string }) => [error]);
    expect(
      JSON.stringify(outcomes.map((one) => ('error' in one ? one.error.code : (one as { code?: string }).code))),
    ).toBe('["DESTINATION_MISSING"]');
  });
});
