/** A whole Exchange mailbox to a real Cyrus: counts, meaning, and a second run that adds nothing, in fair weather and foul. */
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import ICAL from 'ical.js';
import { semanticDigest } from '../../src/conversion/semantic/digest.js';
import { hostedMailbox } from '../../src/destinations/hosted-mailbox.js';
import type { Destination } from '../../src/destinations/destination.js';
import { ITEM_KINDS } from '../../src/mailbox/kinds.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { POLICY } from '../contracts/closed-network.js';
import { bytesOf, collect } from '../contracts/messages.js';
import { type CyrusServer, startCyrus } from '../servers/cyrus.js';
import { rawDav } from '../servers/dav.js';
import type { TestAccount } from '../servers/dovecot.js';
import { instantOf, ZONES } from '../servers/ews/fill.js';
import { fillSample, type SampleSize } from '../servers/ews/sample.js';
import { seeMailbox } from '../servers/mailbox-view.js';
import { stopPrivateServers } from '../servers/private.js';
import { type EwsGround, ewsGround } from '../sources/ews/ews-mailbox.js';
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

/** Everything in calendars and address books, as another client sees it. */
async function objectsAt({ davUrl }: CyrusServer, { user, password }: TestAccount): Promise<string[]> {
  const { origin } = new URL(davUrl.replace('{user}', 'x'));
  const calendars = `${origin}/dav/calendars/user/${user}/`;
  const contacts = `${origin}/dav/addressbooks/user/${user}/`;
  const raw = rawDav({ user, password, url: origin, calendars, contacts });
  const bodies: string[] = [];
  for (const home of [calendars, contacts])
    for (const [, url] of await raw.collections(home)) {
      if (url === home) continue;
      const { text } = await raw.ask('PROPFIND', url);
      const hrefs = [...text.matchAll(/<(?:\w+:)?href>([^<]+\.(?:ics|vcf))</g)].map(
        ([, href]) => new URL(href!, url).href,
      );
      // A few at once: a real server takes no hundreds of connections.
      for (let at = 0; at < hrefs.length; at += 8)
        bodies.push(
          ...(await Promise.all(hrefs.slice(at, at + 8).map((href) => raw.ask('GET', href)))).map((one) => one.text),
        );
    }
  return bodies.filter((body) => /^BEGIN:V(CALENDAR|CARD)/.test(body));
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

const count = (bodies: readonly string[], component: string): number =>
  bodies.filter((body) => body.includes(`BEGIN:${component}`)).length;

async function expectEverything(
  server: CyrusServer,
  account: TestAccount,
  ground: EwsGround,
  size: SampleSize,
): Promise<void> {
  const folders = await seeMailbox(
    { name: 'Cyrus', prefix: '', separator: '/', account: () => server.account() },
    account,
  );
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
  for (const body of bodies) if (body.includes('RRULE') && body.includes('VEVENT')) expectOccurrences(body);
}

/** Reckoned by another library from what arrived, and from what the fixture says. */
function expectOccurrences(body: string): void {
  const calendar = new ICAL.Component(ICAL.parse(body));
  for (const zone of calendar.getAllSubcomponents('vtimezone')) ICAL.TimezoneService.register(new ICAL.Timezone(zone));
  const events = calendar.getAllSubcomponents('vevent').map((one) => new ICAL.Event(one));
  const master = events.find((one) => one.recurrenceId === null || one.recurrenceId === undefined)!;
  const n = Number(/^Series (\d+)$/.exec(master.summary)?.[1] ?? Number.NaN);
  const step = [1, 7][n % 6];
  if (step === undefined) return;
  const names = Object.keys(ZONES).filter((zone) => zone !== 'UTC');
  const zone = names[n % names.length]!;
  const hour = 9 + (n % 5);
  const local = (day: number, at = hour): string => new Date(Date.UTC(2026, 0, 5 + day, at)).toISOString().slice(0, 19);
  const expected: number[] = [];
  // The third is missing, the second two hours later.
  for (let i = 0; i < 16; i++)
    if (i !== 2) expected.push(instantOf(local(i * step, i === 1 ? hour + 2 : hour), zone).getTime());
  const found: number[] = [];
  const all = master.iterator();
  for (let next = all.next(); next && found.length < expected.length; next = all.next())
    found.push(master.getOccurrenceDetails(next).startDate.toJSDate().getTime());
  ICAL.TimezoneService.reset();
  expect(found).toEqual(expected);
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
    const second = await migration.run({ kinds: KINDS });
    expect(second.counts).toEqual({ found, copied: 0, alreadyThere: found, skipped: 0, failed: 0 });
    expect(count(await objectsAt(cyrus, account), 'VEVENT')).toBe(WHOLE.events);
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
