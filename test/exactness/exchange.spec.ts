/** A whole Exchange mailbox to a real Cyrus: counts, meaning, and a second run that adds nothing, in fair weather and foul. */
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { semanticDigest } from '../../src/conversion/semantic/digest.js';
import { hostedMailbox } from '../../src/destinations/hosted-mailbox.js';
import type { Destination } from '../../src/destinations/destination.js';
import { ITEM_KINDS } from '../../src/mailbox/kinds.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { POLICY } from '../contracts/closed-network.js';
import { bytesOf, collect } from '../contracts/messages.js';
import { type CyrusServer, startCyrus } from '../servers/cyrus.js';
import type { TestAccount } from '../servers/dovecot.js';
import { fillSample, sampleMessage, type SampleSize } from '../servers/ews/sample.js';
import { seeMailbox, type SeenFolder } from '../servers/mailbox-view.js';
import { stopPrivateServers } from '../servers/private.js';
import { type EwsGround, ewsGround } from '../sources/ews/ews-mailbox.js';
import {
  arrivedEvents,
  BOARD,
  linesOf,
  objectsAt,
  wishedContact,
  wishedEvents,
  wishedNote,
  wishedTask,
} from './exchange-meaning.js';
import { Migration } from './transfer.js';

const cyrus = await startCyrus();
afterAll(stopPrivateServers);

const KINDS = [...ITEM_KINDS];
const signal = new AbortController().signal;

function destinationOn({ davUrl }: CyrusServer, account: TestAccount): Destination {
  const { host, imapPort: port, user, password } = account;
  return hostedMailbox({
    grant: async () => ({
      kind: 'user-secret',
      endpoint: { host, port, security: 'none' },
      login: user,
      password,
      dav: { url: davUrl },
    }),
    policy: POLICY,
    kinds: KINDS,
    maxConnections: 4,
  });
}

/** What the source gives, by the same engine that the run uses, to be compared with what arrived. */
async function given(ground: EwsGround): Promise<Buffer[]> {
  const source = ground.source();
  const bodies: Buffer[] = [];
  for (const folder of await source.listFolders(signal)) {
    if (folder.kind === 'mail' || folder.leftOut !== undefined) continue;
    const items = (await collect(source.scan(folder, null, signal))).flatMap((page) => page.items);
    for await (const outcome of source.read(folder, items, new BodyStaging(), signal)) {
      if (outcome.is !== 'staged') throw new Error(outcome.is);
      bodies.push(await bytesOf(outcome.item.body));
      await outcome.item.body.release();
    }
  }
  await source.close();
  return bodies;
}

const seen = (server: CyrusServer, account: TestAccount): Promise<Map<string, SeenFolder>> =>
  seeMailbox({ name: 'Cyrus', prefix: '', separator: '/', account: () => server.account() }, account);

const count = (bodies: readonly string[], component: string): number =>
  bodies.filter((body) => body.includes(`BEGIN:${component}`)).length;

async function expectEverything(
  server: CyrusServer,
  account: TestAccount,
  ground: EwsGround,
  size: SampleSize,
): Promise<void> {
  const folders = await seen(server, account);
  const messages = [...folders.values()].flatMap((folder) => folder.messages);
  expect(messages).toHaveLength(size.messages);
  const sent = [...ground.box.folders.values()]
    .flatMap((folder) => [...folder.items.values()])
    .filter(({ itemClass }) => itemClass === 'IPM.Note');
  const wanted = await Promise.all(
    sent.map(async ({ mime }) =>
      Buffer.concat(await collect(mime!.chunks() as AsyncIterable<Buffer>)).toString('latin1'),
    ),
  );
  expect(messages.map(({ bytes }) => bytes.toString('latin1')).sort()).toEqual(wanted.sort());
  expectMessages(folders, size);
  const bodies = await objectsAt(server, account);
  expect({
    events: count(bodies, 'VEVENT'),
    contacts: count(bodies, 'VCARD'),
    tasks: count(bodies, 'VTODO'),
    notes: count(bodies, 'VJOURNAL'),
  }).toEqual({ events: size.events, contacts: size.contacts + 1, tasks: size.tasks, notes: size.notes });
  // Guests are marked by both alike; what differs is what a server adds.
  const byDigest = (all: readonly (string | Buffer)[]): Map<string, string> =>
    new Map(all.map((one) => [semanticDigest(Buffer.from(one)), String(one)]));
  const [there, here] = [byDigest(bodies), byDigest(await given(ground))];
  const only = (some: Map<string, string>, others: Map<string, string>): string[] =>
    [...some].flatMap(([digest, body]) => (others.has(digest) ? [] : [body]));
  expect({ lost: only(here, there), other: only(there, here) }).toEqual({ lost: [], other: [] });
  expectMeaning(bodies, size);
}

/** Against what was wished, worked out by the test itself. */
function expectMeaning(bodies: readonly string[], size: SampleSize): void {
  expect(arrivedEvents(bodies)).toEqual(wishedEvents(size.events, size.series));
  const arrived = (component: string): string[][] =>
    bodies.filter((body) => body.includes(`BEGIN:${component}`)).map(linesOf);
  const wished = (count: number, make: (n: number) => string[]): string[][] =>
    Array.from({ length: count }, (_, n) => make(n));
  const sorted = (all: string[][]): string[] => all.map((lines) => lines.join('\n')).sort();
  expect(sorted(arrived('VCARD'))).toEqual(sorted([...wished(size.contacts, wishedContact), BOARD]));
  expect(sorted(arrived('VTODO'))).toEqual(sorted(wished(size.tasks, wishedTask)));
  expect(sorted(arrived('VJOURNAL'))).toEqual(sorted(wished(size.notes, wishedNote)));
}

/** Each message by its bytes: its folder, marks and date. */
function expectMessages(folders: ReadonlyMap<string, SeenFolder>, size: SampleSize): void {
  const arrived = new Map<string, object>();
  for (const { path, messages } of folders.values())
    for (const { bytes, flags, date } of messages)
      arrived.set(bytes.toString('latin1'), { path, flags: [...flags].sort(), date });
  const wished = new Map<string, object>();
  for (let n = 0; n < size.messages; n++) {
    const { path, bytes, received, ...wish } = sampleMessage(n);
    const flags = [
      ...(wish.read ? ['\\Seen'] : []),
      ...(wish.flagged ? ['\\Flagged'] : []),
      // Exchange keeps the last thing that was done with a message.
      ...(wish.answered && !wish.forwarded ? ['\\Answered'] : []),
      ...(wish.forwarded ? ['$Forwarded'] : []),
      ...(wish.categories ?? []),
    ];
    const there = path.join('/').replace(/^Sent Items$/, 'Sent');
    wished.set(bytes.toString('latin1'), { path: there, flags: flags.sort(), date: received.getTime() / 1_000 });
  }
  expect(arrived).toEqual(wished);
}

const WHOLE: SampleSize = { messages: 2_000, events: 300, series: 30, contacts: 500, tasks: 100, notes: 50 };
const SOME: SampleSize = { messages: 120, events: 60, series: 30, contacts: 40, tasks: 20, notes: 10 };
const itemsIn = (size: SampleSize): number => size.messages + size.events + size.contacts + 1 + size.tasks + size.notes;

describe('Exchange to Cyrus', () => {
  const open: EwsGround[] = [];
  const start = async (): Promise<EwsGround> => {
    const ground = await ewsGround();
    open.push(ground);
    return ground;
  };
  afterEach(async () => {
    for (const { server } of open.splice(0)) await server.close();
  });
  if (typeof cyrus === 'string') return it.skip(`cannot be had here: ${cyrus}`, () => undefined);

  it('copies a whole mailbox once, everything means what it meant, and a second run adds nothing', async () => {
    const ground = await start();
    fillSample(ground.box, WHOLE);
    const account = await cyrus.account();
    const migration = new Migration(
      () => ground.source(),
      () => destinationOn(cyrus, account),
    );
    const first = await migration.run({ kinds: KINDS });
    const found = itemsIn(WHOLE);
    expect(first.refusals).toEqual([]);
    expect(first.counts).toEqual({ found, copied: found, alreadyThere: 0, skipped: 0, failed: 0 });
    expect(first.end).toEqual({ is: 'completed', outcome: 'complete' });
    // What has no place in the new mailbox is told item by item.
    expect(first.remarks).toMatchObject({ TASK_REGENERATES: 5, TASK_STATUS_MAPPED: 40, NOTE_COLOUR_DROPPED: 40 });
    await expectEverything(cyrus, account, ground, WHOLE);
    const everything = async (): Promise<unknown> => [
      (await objectsAt(cyrus, account)).sort(),
      [...(await seen(cyrus, account)).values()].map(({ path, uidValidity, messages }) => [
        path,
        uidValidity,
        messages.map(({ uid, flags }) => [uid, flags]),
      ]),
    ];
    const before = await everything();
    const second = await migration.run({ kinds: KINDS });
    expect(second.counts).toEqual({ found, copied: 0, alreadyThere: found, skipped: 0, failed: 0 });
    expect(await everything()).toEqual(before);
  }, 900_000);

  it('ends right on a server that throttles in every form, gives short pages and breaks now and then', async () => {
    const ground = await start();
    fillSample(ground.box, SOME);
    const { server } = ground;
    server.shortPages = true;
    const weather = [
      { is: 'busy-503', seconds: 1 },
      { is: 'page-500' },
      { is: 'busy-500', ms: 900 },
      { is: 'cut' },
      { is: 'short-batch', ms: 800 },
      { is: 'truncated-xml' },
      { is: 'busy-200', ms: 1_000 },
      { is: 'one-message', code: 'ErrorInternalServerTransientError' },
      { is: 'fault-500', code: 'ErrorExceededConnectionCount' },
      { is: 'unauthorized' },
    ] as const;
    server.faults = ({ nth }) => (nth > 8 && nth % 9 === 0 ? weather[(nth / 9) % weather.length]! : null);
    const account = await cyrus.account();
    const migration = new Migration(
      () => ground.source(),
      () => destinationOn(cyrus, account),
    );
    const found = itemsIn(SOME);
    const told = await migration.run({ kinds: KINDS });
    expect(told.refusals).toEqual([]);
    expect(told.counts).toMatchObject({ found, copied: found, failed: 0 });
    server.faults = () => null;
    await expectEverything(cyrus, account, ground, SOME);
    expect(ground.server.most()).toBeLessThanOrEqual(10);
  }, 300_000);

  it('knows a mailbox again whose ids are all other ones, and copies nothing twice', async () => {
    const ground = await start();
    fillSample(ground.box, SOME);
    const account = await cyrus.account();
    const migration = new Migration(
      () => ground.source(),
      () => destinationOn(cyrus, account),
    );
    await migration.run({ kinds: KINDS });
    ground.box.renumber();
    const told = await migration.run({ kinds: KINDS });
    expect(told.counts).toMatchObject({ copied: 0, alreadyThere: itemsIn(SOME), failed: 0 });
    await expectEverything(cyrus, account, ground, SOME);
  }, 300_000);
});
