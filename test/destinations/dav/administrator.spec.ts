import { createServer } from 'node:http';
import { afterEach, expect, it } from '@jest/globals';
import { hostedMailbox } from '../../../src/destinations/hosted-mailbox.js';
import { POLICY } from '../../contracts/closed-network.js';
import { Listeners } from '../../fixtures/listeners.js';

const listeners = new Listeners();
const signal = new AbortController().signal;
afterEach(() => listeners.closeAll());

/** Answers every question about an account with this home. */
async function serverWithHome(home: string): Promise<number> {
  const server = createServer((asked, answer) => {
    asked.resume();
    if (asked.method === 'OPTIONS') return void answer.writeHead(200, { dav: '1, calendar-access' }).end();
    const homes = `<C:calendar-home-set><D:href>${home}</D:href></C:calendar-home-set>`;
    const ns = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"';
    answer.writeHead(207, { 'content-type': 'application/xml' });
    answer.end(
      `<D:multistatus ${ns}><D:response><D:href>${String(asked.url)}</D:href><D:propstat><D:prop>${homes}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>`,
    );
  });
  return (await listeners.listen(server)).port;
}

const open = (port: number, owner = 'alice@new.test') =>
  hostedMailbox({
    kinds: ['calendars'],
    policy: POLICY,
    grant: async () => ({
      kind: 'imap-authzid',
      authcid: 'admin@new.test',
      password: 'x',
      authzid: owner,
      endpoint: { host: '127.0.0.1', port: 1, security: 'none' },
      dav: { url: `http://127.0.0.1:${port}/dav/{user}/` },
    }),
  });

it.each([
  ['/dav/calendars/alice%40new.test/', true],
  ['/dav/calendars/user/Alice@new.test/', true],
  ['/remote.php/dav/calendars/alice/', true],
  ['/dav/calendars/admin@new.test/', false],
  ['/dav/calendars/alice2@new.test/', false],
  ['/dav/calendars/', false],
])('an administrator is let into %s as the calendars of alice@new.test: %s', async (home, may) => {
  const destination = open(await serverWithHome(home));
  const connecting = destination.connect(signal);
  if (may) expect((await connecting).takes).toContain('calendars');
  else await expect(connecting).rejects.toMatchObject({ code: 'DESTINATION_UNAVAILABLE', side: 'destination' });
  await destination.close();
});

it.each([
  // The owner's name is a word of the path: it is the administrator's own home all the same.
  ['user@new.test', '/dav/calendars/user/admin@new.test/', false],
  ['calendars@new.test', '/dav/calendars/user/admin@new.test/', false],
  ['dav@new.test', '/dav/calendars/user/admin/', false],
  ['user@new.test', '/dav/calendars/user/user@new.test/', true],
  ['dav@new.test', '/remote.php/dav/calendars/dav/', true],
  ['alice@new.test', '/SOGo/dav/alice/Calendar/', true],
  ['alice@new.test', '/SOGo/dav/alice@new.test/Calendar/', true],
  ['alice@new.test', '/alice/calendars/work/deeper/', false],
  ['alice@new.test', '/dav/calendars/alice@other.test/', false],
])('an administrator who speaks for %s and is led to %s is let in: %s', async (owner, home, may) => {
  const destination = open(await serverWithHome(home), owner);
  const connecting = destination.connect(signal);
  if (may) expect((await connecting).takes).toContain('calendars');
  else await expect(connecting).rejects.toMatchObject({ code: 'DESTINATION_UNAVAILABLE', side: 'destination' });
  await destination.close();
});
