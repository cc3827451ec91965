/** A mailbox at the EWS test server, and the source on it, for the contract and for specs. */
import { EwsSource, type EwsSourceOptions } from '../../../src/sources/ews/ews-source.js';
import { POLICY } from '../../contracts/closed-network.js';
import type { SourceServer } from '../../contracts/source.contract.js';
import { type EwsOptions, type EwsServer, startEws } from '../../servers/ews/server.js';
import type { Mailbox } from '../../servers/ews/store.js';
import { addMessage, folderAt } from '../../servers/ews/fill.js';

export const ADDRESS = 'anna@old.test';
export const PASSWORD = 'a secret, of course';

export interface EwsGround {
  readonly server: EwsServer;
  readonly box: Mailbox;
  source(more?: Partial<EwsSourceOptions>): EwsSource;
}

export async function ewsGround(options: EwsOptions = {}): Promise<EwsGround> {
  const server = await startEws(options);
  const box = server.mailbox(ADDRESS, PASSWORD, ['OLD\\anna', 'anna@corp.local']);
  return { server, box, source: (more) => sourceOn(server, more) };
}

export function sourceOn(server: EwsServer, more: Partial<EwsSourceOptions> = {}): EwsSource {
  return new EwsSource({
    url: new URL(server.url),
    login: async () => ({ kind: 'password', user: ADDRESS, password: PASSWORD }),
    mailbox: { by: 'own' },
    policy: POLICY,
    owner: ADDRESS,
    ...more,
  });
}

export async function startEwsMailbox(): Promise<SourceServer> {
  const { server, box, source } = await ewsGround();
  return {
    keepsZone: false,
    async deliver(path, bytes, flags, date) {
      const has = (flag: string): boolean => flags.includes(flag);
      addMessage(box, folderAt(box, path), bytes, {
        read: has('\\Seen'),
        flagged: has('\\Flagged'),
        answered: has('\\Answered'),
        draft: has('\\Draft'),
        categories: flags.filter((flag) => !flag.startsWith('\\')),
        received: new Date(date.seconds * 1_000),
      });
    },
    async removeFirst(path) {
      const [first] = folderAt(box, path).items.values();
      box.remove(first!);
    },
    async snapshot() {
      return JSON.stringify(
        [...box.folders.values()].map((folder) => [
          folder.id,
          folder.name,
          [...folder.items.values()].map((item) => [item.id, item.version, [...item.fields], [...item.extended]]),
        ]),
      );
    },
    source,
    close: () => server.close(),
  };
}
