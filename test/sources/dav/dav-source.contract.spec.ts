import { sourceContract } from '../../contracts/source.contract.js';
import { davServer } from '../../servers/dav.js';
import { stopPrivateServers } from '../../servers/private.js';
import { davMailbox } from './dav-account.js';

afterAll(stopPrivateServers);

for (const name of ['radicale', 'cyrus'] as const) {
  const server = await davServer(name);
  if (typeof server === 'string') it.skip(`${name}: ${server}`, () => undefined);
  else
    for (const kind of ['calendars', 'contacts'] as const)
      sourceContract(`${name}, ${kind}`, () => davMailbox(server, kind));
}
