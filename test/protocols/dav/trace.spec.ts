import { afterEach, expect, it } from '@jest/globals';
import { TraceRing } from '../../../src/protocols/trace.js';
import { POLICY } from '../../contracts/closed-network.js';
import { collect } from '../../contracts/messages.js';
import { event } from '../../contracts/objects.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { type RawDavServer, rawDavServer } from '../../servers/raw-dav-server.js';
import { davSource } from '../../sources/dav/dav-account.js';

const servers: RawDavServer[] = [];
const signal = new AbortController().signal;
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
const account = (url: string) => ({ url, user: 'alice', password: 'canary', calendars: url, contacts: url });

it('support sees what was asked and how it was answered, and neither passwords nor what is in a calendar', async () => {
  const server = await rawDavServer([{ name: 'Work', kind: 'ics', objects: [event(1), event(2)] }]);
  servers.push(server);
  const trace = new TraceRing();
  const source = davSource(account(server.url), { policy: { ...POLICY, trace } });
  const [folder] = await source.listFolders(signal);
  const items = (await collect(source.scan(folder!, null, signal))).flatMap((page) => page.items);
  for (const outcome of await collect(source.read(folder!, items, new BodyStaging(), signal)))
    if (outcome.is === 'staged') await outcome.item.body.release();
  await source.close();
  const text = trace.text() ?? '';
  expect(text).toMatch(/PROPFIND http:\/\/127\.0\.0\.1:\d+\/dav\/ -> 207 after \d+ ms/);
  expect(text).toMatch(/REPORT http:\/\/127\.0\.0\.1:\d+\/home\/0\/ -> 207/);
  expect(text).toMatch(/GET http:\/\/127\.0\.0\.1:\d+\/home\/0\/1\.ics -> 200/);
  for (const secret of ['canary', Buffer.from('alice:canary').toString('base64'), 'Message 1', 'UID:'])
    expect(text).not.toContain(secret);
});

it('an attempt without an answer is a line, too', async () => {
  const server = await rawDavServer([]);
  await server.close();
  const trace = new TraceRing();
  const source = davSource(account(server.url), { policy: { ...POLICY, trace } });
  await expect(source.connect(signal)).rejects.toThrow();
  expect(trace.text()).toMatch(/PROPFIND .* -> CONNECT_FAILED/);
});
