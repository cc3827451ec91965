/** The mail servers and the database that trials share, each of which may be killed. */
import type { DovecotServer } from '../../src/standalone/infra/dovecot.js';
import { startCyrus, type CyrusServer } from '../servers/cyrus.js';
import { freshDatabase } from '../servers/database.js';
import { accountOn, type TestAccount } from '../servers/dovecot.js';
import { dovecotAccounts } from '../../src/standalone/infra/dovecot-accounts.js';
import type { MailServer } from '../servers/mailbox-view.js';
import { privateDovecot, privatePostgres } from '../servers/private.js';
import { quoted } from '../servers/raw-imap.js';

export type ServerName = 'dovecot' | 'cyrus';

export interface FaultyServer extends MailServer {
  account(): Promise<TestAccount>;
  /** @param kb null: as much as one likes. Dovecot may take a second to see it. */
  setQuota(account: TestAccount, kb: number | null): Promise<void>;
  /** The server dies by SIGKILL and comes back on the same data. */
  crash(): Promise<void>;
  /** Folder with the mail of an account, where it is one. */
  homeOf(account: TestAccount): string | null;
}

export interface Servers {
  readonly source: Readonly<Partial<Record<ServerName, FaultyServer>>>;
  readonly destination: Readonly<Partial<Record<ServerName, FaultyServer>>>;
  readonly databaseUrl: string;
  /** Why there is no Cyrus here. */
  readonly missing: string | null;
  crashDatabase(): Promise<void>;
}

const SLASH = { prefix: '', separator: '/' };

export async function startServers(wanted: readonly ServerName[]): Promise<Servers> {
  const [old, fresh, cyrus, postgres] = await Promise.all([
    privateDovecot({ format: 'mdbox' }),
    privateDovecot({ escapeNames: true }),
    wanted.includes('cyrus') ? startCyrus() : Promise.resolve('not wanted'),
    privatePostgres(),
  ]);
  const database = await freshDatabase(postgres.url);
  const carries = typeof cyrus === 'string' ? {} : { cyrus: onCyrus(cyrus) };
  return {
    source: { dovecot: onDovecot(old), ...carries },
    destination: { dovecot: onDovecot(fresh), ...carries },
    databaseUrl: database.url,
    missing: typeof cyrus === 'string' ? cyrus : null,
    async crashDatabase() {
      await postgres.kill();
      await postgres.restart();
    },
  };
}

function onDovecot(server: DovecotServer): FaultyServer {
  const accounts = dovecotAccounts(server.dir);
  return {
    ...SLASH,
    name: 'Dovecot',
    account: async () => accountOn(server),
    setQuota: async ({ user, password }, kb) =>
      accounts.add({ user, password, ...(kb === null ? {} : { quota: `${kb}K` }) }),
    async crash() {
      await server.kill();
      server.dropSessions();
      await server.restart();
    },
    homeOf: ({ user }) => accounts.homeOf(user),
  };
}

function onCyrus(server: CyrusServer): FaultyServer {
  return {
    ...SLASH,
    name: 'Cyrus',
    account: () => server.account(),
    async setQuota({ user }, kb) {
      await server.asAdmin(`SETQUOTA ${quoted(`user/${user}`)} (${kb === null ? '' : `STORAGE ${kb}`})`);
    },
    async crash() {
      await server.kill();
      await server.restart();
    },
    homeOf: () => null,
  };
}
