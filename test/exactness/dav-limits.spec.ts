import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { event } from '../contracts/objects.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { type DavProxy, davProxy } from '../servers/dav-proxy.js';
import { davServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration } from './transfer.js';

const radicale = await davServer('radicale');
const proxies: DavProxy[] = [];
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
});
afterAll(stopPrivateServers);

describe('how large an event a calendar takes', () => {
  if (typeof radicale === 'string') return it.skip(`cannot be had here: ${radicale}`, () => undefined);
  const server = radicale;

  it('is said by that calendar: neither by another one of the person nor by one that is somebody else’s', async () => {
    const [old, fresh] = [await server.account(), await server.account()];
    const [raw, there] = [rawDav(old), rawDav(fresh)];
    for (const [n, name] of ['Small', 'Team'].entries()) {
      const url = await raw.makeCalendar(name, ['VEVENT']);
      await raw.put(url, 'a.ics', event(n));
      await raw.put(url, 'b.ics', event(n + 10, { size: 9_000 }));
      await there.makeCalendar(name, ['VEVENT']);
    }
    const proxy = await davProxy(fresh.url);
    proxies.push(proxy);
    const small = (bytes: number): string =>
      `<C:max-resource-size xmlns:C="urn:ietf:params:xml:ns:caldav">${bytes}</C:max-resource-size>`;
    const shared = (home: string): string =>
      `<response><href>${home}shared/</href><propstat><prop><owner><href>/somebody/</href></owner><resourcetype><collection/><C:calendar xmlns:C="urn:ietf:params:xml:ns:caldav"/></resourcetype><displayname>Shared</displayname>${small(2_000)}</prop><status>HTTP/1.1 200 OK</status></propstat></response>`;
    proxy.rewrite = ({ method, path, body }, came) =>
      method === 'PROPFIND' && body.includes('calendar-color')
        ? came
            .replace(/(<displayname>Small<\/displayname>)/, `$1${small(5_000)}`)
            .replace('</multistatus>', `${shared(path)}</multistatus>`)
        : null;
    const migration = new Migration(
      () => davSource(old),
      () => davDestination({ ...fresh, url: proxy.url }),
    );
    const told = await migration.run({ kinds: ['calendars'] });
    expect(told.counts).toMatchObject({ found: 4, copied: 3, failed: 1 });
    expect(told.refusals).toMatchObject([{ code: 'MESSAGE_TOO_LARGE', subject: 'Message 10' }]);
  }, 120_000);
});
