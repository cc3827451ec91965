/**
 * Calendars and cards of other projects' test data, where they lie beside the project (../shared/corpus), over the wire: from a server that holds
 * anything into a real one, and from there into the other one. Every object arrives or is named with a reason. None of it is kept here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { digestObject } from '../../src/conversion/semantic/digest.js';
import { splitObjects } from '../../src/conversion/split/split.js';
import { ownName } from '../../src/destinations/dav/ids.js';
import type { Source } from '../../src/sources/source.js';
import { PACKAGE_DIR } from '../../src/standalone/infra/places.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { type DavAccountOf, davServer, type DavTestServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { type RawCollection, rawDavServer } from '../servers/raw-dav-server.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration } from './transfer.js';

const CORPUS = join(PACKAGE_DIR, '..', 'shared', 'corpus');
const KINDS = ['contacts', 'calendars', 'tasks', 'notes'] as const;
/** Free-busy lists and snippets; what another file has under the same UID; what a server does not take in any form. */
const REASONS =
  /^(OBJECT_EMPTY|NOT_CALENDAR|NOT_CARD|EVENT_WITHOUT_START|UID_CONFLICT|CONTENT_REFUSED|MESSAGE_TOO_LARGE)$/;
const signal = new AbortController().signal;

/** As few collections as there may be: a UID that several files have is in as many of them. */
function corpus(): RawCollection[] {
  return (['ics', 'vcf'] as const).flatMap((kind) => {
    const made: { uids: Set<string>; objects: Uint8Array[] }[] = [];
    const files = readdirSync(join(CORPUS, kind), { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((one) => one.endsWith(`.${kind}`)).sort()) {
      const bytes = readFileSync(join(CORPUS, kind, file));
      const objects = splitObjects(bytes);
      for (const { uid, bytes: body } of objects.length > 0 ? objects : [{ uid: null, bytes }]) {
        const name = uid ?? `${file} ${made.length}`;
        let place = made.find(({ uids }) => !uids.has(name));
        if (place === undefined) made.push((place = { uids: new Set(), objects: [] }));
        place.uids.add(name);
        place.objects.push(body);
      }
    }
    return made.map(({ objects }, n) => ({ name: `Corpus ${kind} ${n + 1}`, kind, objects }));
  });
}

interface Summary {
  found: number;
  exact: number;
  repaired: number;
  alreadyThere: number;
  refused: Record<string, number>;
  changes: Readonly<Record<string, number>>;
}

/** What arrived is found under the name that we gave it, and compared with what the old server gives out. */
async function summarize(
  source: Source,
  fresh: DavAccountOf,
  told: Awaited<ReturnType<Migration['run']>>,
): Promise<Summary> {
  const there = new Map<string, string>();
  const raw = rawDav(fresh);
  for (const home of [fresh.calendars, fresh.contacts])
    for (const url of (await raw.collections(home)).values())
      for (const { name, body } of await raw.contents(url)) there.set(name, body);
  const { found, alreadyThere } = told.counts;
  const summary: Summary = { found, exact: 0, repaired: 0, alreadyThere, refused: {}, changes: told.remarks };
  for (const { code } of told.refusals) summary.refused[code] = (summary.refused[code] ?? 0) + 1;
  const staging = new BodyStaging();
  for (const folder of await source.listFolders(signal))
    for await (const page of source.scan(folder, null, signal))
      for await (const outcome of source.read(folder, page.items, staging, signal)) {
        if (outcome.is !== 'staged') continue;
        const parts: Uint8Array[] = [];
        for await (const part of outcome.item.body.open()) parts.push(part);
        await outcome.item.body.release();
        const body = there.get(ownName(outcome.ref.key, folder.kind === 'contacts' ? 'vcf' : 'ics'));
        if (body === undefined) continue;
        if (digestObject(Buffer.from(body)).digest === digestObject(Buffer.concat(parts)).digest) summary.exact++;
        else summary.repaired++;
      }
  await source.close();
  return summary;
}

function holds(what: string, summary: Summary): void {
  console.log(`corpus, ${what}: ${JSON.stringify(summary)}`);
  const refused = Object.values(summary.refused).reduce((sum, n) => sum + n, 0);
  expect(summary.found).toBe(summary.exact + summary.repaired + summary.alreadyThere + refused);
  expect(Object.keys(summary.refused).filter((code) => !REASONS.test(code))).toEqual([]);
  expect(summary.exact).toBeGreaterThan(summary.found / 2);
}

const isHere = existsSync(CORPUS);
const servers = new Map<string, DavTestServer | string>();
// Not in vain: where every test is skipped nothing would stop them.
if (isHere) for (const name of ['radicale', 'cyrus'] as const) servers.set(name, await davServer(name));
afterAll(stopPrivateServers);

describe('the corpus of calendars and cards over the wire', () => {
  if (!isHere) return it.skip('of the corpus: ../shared/corpus is not here', () => undefined);
  for (const [first, second] of [
    ['radicale', 'cyrus'],
    ['cyrus', 'radicale'],
  ] as const) {
    const [old, fresh] = [servers.get(first)!, servers.get(second)!];
    if (typeof old === 'string' || typeof fresh === 'string')
      it.skip(`${first} to ${second}: cannot be had here: ${typeof old === 'string' ? old : String(fresh)}`, () =>
        undefined);
    else
      it(`arrives at ${first} and goes on to ${second}, or is named with a reason`, async () => {
        const [middle, end] = [await old.account(), await fresh.account()];
        const raw = await rawDavServer(corpus());
        try {
          const anything = (): Source => davSource({ ...middle, url: raw.url });
          const filled = await new Migration(anything, () => davDestination(middle)).run({ kinds: [...KINDS] });
          holds(`anything to ${first}`, await summarize(anything(), middle, filled));
          const moved = new Migration(
            () => davSource(middle),
            () => davDestination(end),
          );
          const told = await moved.run({ kinds: [...KINDS] });
          holds(`${first} to ${second}`, await summarize(davSource(middle), end, told));
          const again = await moved.run({ kinds: [...KINDS] });
          expect(again.counts).toMatchObject({ copied: 0 });
        } finally {
          await raw.close();
        }
      }, 600_000);
  }
});
