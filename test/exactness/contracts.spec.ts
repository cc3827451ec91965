import { afterAll } from '@jest/globals';
import { destinationContract, type DestinationServer } from '../contracts/destination.contract.js';
import { sourceContract, type SourceServer } from '../contracts/source.contract.js';
import { destinationOn } from '../destinations/imap-mailbox.js';
import type { TestAccount } from '../servers/dovecot.js';
import {
  fill,
  type MailServer,
  onServer,
  outline,
  seeMailbox,
  serverKinds,
  wireName,
  withRaw,
} from '../servers/kinds.js';
import { stopPrivateServers } from '../servers/private.js';
import { encodeName, quoted } from '../servers/raw-imap.js';
import { imapDate, sourceOn } from '../sources/imap/dovecot-mailbox.js';

const kinds = await serverKinds();
afterAll(stopPrivateServers);

/** What both contracts ask of a server. */
function hands(server: MailServer, account: TestAccount): Pick<DestinationServer, 'deliver' | 'removeFirst' | 'close'> {
  return {
    deliver: (path, bytes, flags, date) => fill(server, account, [{ path, bytes, flags, date: imapDate(date) }]),
    removeFirst: (path) =>
      withRaw(account, async (imap) => {
        await imap.command(`SELECT ${quoted(encodeName(wireName(server, path)))}`);
        await imap.command('STORE 1 +FLAGS.SILENT (\\Deleted)');
        await imap.command('EXPUNGE');
      }),
    close: async () => undefined,
  };
}

// Dovecot has its own specs beside the source and the destination.
for (const kind of kinds.filter(({ name }) => !name.startsWith('Dovecot')))
  onServer(kind, (server) => {
    sourceContract(`ImapSource on ${server.name}`, async (): Promise<SourceServer> => {
      const account = await server.account();
      return {
        ...hands(server, account),
        keepsZone: false,
        oddName: server.name === 'Cyrus' ? 'Übersicht & 100' : undefined,
        source: () => sourceOn(account),
        snapshot: async () => JSON.stringify(outline(await seeMailbox(server, account))),
      };
    });

    destinationContract(`HostedMailbox on ${server.name}`, async (): Promise<DestinationServer> => {
      const account = await server.account();
      return {
        ...hands(server, account),
        keepsZone: false,
        destination: () => destinationOn(account),
        async contents(path) {
          const folder = (await seeMailbox(server, account)).get(path.join('/'));
          return (folder?.messages ?? []).map(({ bytes, flags, date }) => ({
            bytes,
            flags,
            date: { seconds: date, offset: 0 },
          }));
        },
      };
    });
  });
