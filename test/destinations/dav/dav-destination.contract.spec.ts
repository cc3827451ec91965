import { destinationContract } from '../../contracts/destination.contract.js';
import { davServer } from '../../servers/dav.js';
import { stopPrivateServers } from '../../servers/private.js';
import { davNewMailbox } from './dav-mailbox.js';

afterAll(stopPrivateServers);

for (const name of ['radicale', 'cyrus'] as const) {
  const server = await davServer(name);
  if (typeof server === 'string') it.skip(`${name}: ${server}`, () => undefined);
  else
    for (const kind of ['calendars', 'contacts'] as const)
      destinationContract(`${name}, ${kind}`, () => davNewMailbox(server, kind));
}
