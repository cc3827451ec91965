import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Principal } from '../../src/panel/host-panel.js';
import { SESSION_COOKIE, StandalonePanel } from '../../src/standalone/panel.js';
import { hashPassword, passwordMatches } from '../../src/standalone/passwords.js';
import { loadSettings, type DestinationSettings } from '../../src/standalone/settings.js';
import { StandaloneStore, type Subject } from '../../src/standalone/store.js';
import { freshDatabase, type TestDatabase } from '../servers/database.js';
import { smtp } from './smtp.js';

const HASH = 'scrypt:16384:8:1:AAAA:AAAA';
const support: Principal = {
  sub: 'sam',
  tenantId: 'default',
  role: 'support',
  domains: [],
  mailboxes: [],
  locale: 'en',
};
const user: Principal = { ...support, sub: 'u', role: 'user', mailboxes: ['alice@new.test'] };
const admin: Principal = { ...support, sub: 'd', role: 'domain-admin', domains: ['new.test'] };
const ref = (address: string, tenantId = 'default'): { tenantId: string; address: string } => ({ tenantId, address });

describe('the standalone host as a panel', () => {
  let database: TestDatabase;
  let store: StandaloneStore;
  let dir: string;
  const opened: StandaloneStore[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    store = new StandaloneStore(database.url);
    opened.push(store);
    dir = mkdtempSync(join(tmpdir(), 'mailferry-panel-'));
    writeFileSync(join(dir, 'secret'), 'master secret\n');
  });
  afterAll(async () => {
    await Promise.all(opened.map((one) => one.close()));
    await database.drop();
    rmSync(dir, { recursive: true });
  });

  const authzid = (): DestinationSettings => ({
    imap: { host: 'mail.new.test' },
    domains: ['new.test'],
    access: { kind: 'imap-authzid', authcid: 'ferry', secretFile: join(dir, 'secret') },
  });
  const panelWith = (
    destination: DestinationSettings | null,
    config: object = {},
    sandbox = false,
    own: StandaloneStore = store,
  ): StandalonePanel => {
    const file = join(dir, 'settings.json');
    writeFileSync(file, JSON.stringify({ dataDir: dir, ...config }));
    return new StandalonePanel({
      settings: loadSettings({ MAILFERRY_CONFIG: file }),
      destination,
      sandbox,
      store: own,
    });
  };
  const signedIn = async (panel: StandalonePanel, subject: Subject): Promise<Principal | null> => {
    const secret = await store.openSession(subject);
    return panel.resolveIdentity({ headers: { cookie: `other=1; ${SESSION_COOKIE}=${secret}` } });
  };

  it('opens mailboxes of its domains, and no others', async () => {
    const panel = panelWith(authzid());
    expect(await panel.getMailbox(ref('Alice@New.test'))).toEqual({
      tenantId: 'default',
      address: 'alice@new.test',
      domain: 'new.test',
    });
    expect(await panel.getMailbox(ref('alice@elsewhere.test'))).toBeNull();
    expect(await panel.getMailbox(ref('alice@new.test', 'another-tenant'))).toBeNull();
    await expect(panel.openDestination(ref('alice@elsewhere.test'))).rejects.toThrow('may not be opened');
  });

  it('knows what a trusted token names from then on, in every process', async () => {
    const panel = panelWith({ ...authzid(), domains: [] });
    expect(await panel.getMailbox(ref('token@t.test'))).toBeNull();
    await panel.currentPrincipal({ ...user, tenantId: '', mailboxes: ['Token@T.test'] });
    await panel.currentPrincipal({ ...admin, tenantId: 'x', domains: ['d.test'] });
    const other = new StandaloneStore(database.url);
    opened.push(other);
    const elsewhere = panelWith({ ...authzid(), domains: [] }, {}, false, other);
    expect(await elsewhere.getMailbox(ref('token@t.test'))).toMatchObject({ address: 'token@t.test' });
    expect(await elsewhere.getMailbox(ref('any@d.test', 'x'))).toMatchObject({ domain: 'd.test' });
    expect(await elsewhere.getMailbox(ref('any@d.test'))).toBeNull();
    expect((await elsewhere.listMailboxes(support, 't.test', { page: 1, perPage: 10 })).items).toHaveLength(1);
    expect((await elsewhere.listMailboxes(user, 't.test', { page: 1, perPage: 10 })).items).toHaveLength(0);
  });

  it.each(['a*b@new.test', 'a%b@new.test', 'a\\b@new.test', 'a/b@new.test', 'a\r\nb@new.test', 'a b@new.test', 'a'])(
    'never opens %j',
    async (address) => {
      expect(await panelWith(authzid()).getMailbox(ref(address))).toBeNull();
    },
  );

  it('gives a grant for each kind of access, and its secret only when it is asked', async () => {
    const byAuthzid = await panelWith(authzid()).openDestination(ref('alice@new.test'));
    expect(byAuthzid).toMatchObject({ kind: 'imap-authzid', authcid: 'ferry', authzid: 'alice@new.test' });
    expect(byAuthzid.endpoint).toEqual({ host: 'mail.new.test', port: 993, security: 'tls' });
    expect(await byAuthzid.secret?.reveal()).toBe('master secret');
    expect(JSON.stringify(byAuthzid)).not.toContain('master secret');

    const composite: DestinationSettings = {
      ...authzid(),
      access: { kind: 'imap-composite', loginTemplate: '{user}*{admin}', admin: '$& root', secretEnv: 'NOT_SET_HERE' },
    };
    const byLogin = await panelWith(composite).openDestination(ref('alice@new.test'));
    expect(byLogin).toMatchObject({ kind: 'imap-composite', login: 'alice@new.test*$& root' });
    await expect(byLogin.secret?.reveal()).rejects.toThrow('NOT_SET_HERE is not set');

    const typed = await panelWith({ ...authzid(), access: { kind: 'user-secret' } }).openDestination(ref('a@new.test'));
    expect(typed).toMatchObject({ kind: 'user-secret', login: 'a@new.test', secret: null });
  });

  it('lets people do what their role allows, to mailboxes that are theirs', async () => {
    const panel = panelWith(authzid());
    expect(await panel.can(user, 'migration.own', ref('alice@new.test'))).toBe(true);
    expect(await panel.can(user, 'migration.own', ref('bob@new.test'))).toBe(false);
    expect(await panel.can(user, 'migration.domain')).toBe(false);
    expect(await panel.can(user, 'migration.all')).toBe(false);
    expect(await panel.can(admin, 'migration.domain', ref('bob@new.test'))).toBe(true);
    expect(await panel.can(admin, 'migration.domain', ref('bob@other.test'))).toBe(false);
    expect(await panel.can(admin, 'migration.all')).toBe(false);
    expect(await panel.can(support, 'migration.all', ref('bob@other.test'))).toBe(true);
    expect(await panel.can(support, 'migration.all', ref('bob@other.test', 'x'))).toBe(false);
  });

  it('looks an account up again at every request', async () => {
    const account = { name: 'Sam', role: 'support', passwordHash: HASH };
    const subject = { kind: 'account', name: 'sam' } as const;
    expect(await signedIn(panelWith(authzid(), { accounts: [account] }), subject)).toMatchObject({ role: 'support' });
    const demoted = panelWith(authzid(), { accounts: [{ ...account, role: 'domain-admin', domains: ['A.test'] }] });
    expect(await signedIn(demoted, subject)).toMatchObject({ role: 'domain-admin', domains: ['a.test'] });
    expect(await signedIn(panelWith(authzid()), subject)).toBeNull();
  });

  it('says of a person of before what the settings say of him now', async () => {
    const account = { name: 'Sam', role: 'domain-admin', passwordHash: HASH, domains: ['new.test', 'old.test'] };
    const panel = panelWith(authzid(), { accounts: [account] });
    const then = (await signedIn(panel, { kind: 'account', name: 'sam' }))!;
    expect(await panel.currentPrincipal(then)).toMatchObject({ domains: ['new.test', 'old.test'] });
    const fewer = panelWith(authzid(), { accounts: [{ ...account, domains: ['new.test'] }] });
    expect(await fewer.currentPrincipal(then)).toMatchObject({ domains: ['new.test'] });
    expect(await panelWith(authzid()).currentPrincipal(then)).toBeNull();
    const dora = (await signedIn(panelWith(authzid(), {}, true), { kind: 'sandbox', name: 'dora' }))!;
    expect(await panelWith(authzid()).currentPrincipal(dora)).toBeNull();
  });

  it('believes no token in a domain that was taken out of the settings', async () => {
    const claimed = { ...admin, domains: ['gone.test', 'vouched.test'] };
    const before = panelWith({ ...authzid(), domains: ['new.test', 'Gone.test'] });
    expect(await before.currentPrincipal(claimed)).toMatchObject({ domains: ['gone.test', 'vouched.test'] });
    const after = panelWith(authzid());
    expect(await after.currentPrincipal(claimed)).toMatchObject({ domains: ['vouched.test'] });
    expect(await after.getMailbox(ref('anna@gone.test'))).toBeNull();
    expect(await after.getMailbox(ref('anna@vouched.test'))).toMatchObject({ domain: 'vouched.test' });
    // Another tenant's domains do not stand there.
    expect(await after.currentPrincipal({ ...claimed, tenantId: 'x' })).toMatchObject({ domains: claimed.domains });
  });

  it('mails what is for a person to the address that comes along', async () => {
    const mails: string[] = [];
    const { server, port } = await smtp(mails);
    try {
      const panel = panelWith(authzid(), {
        smtp: { host: '127.0.0.1', port, security: 'none', from: 'f@hoster.test' },
      });
      const data = { batchId: 'b1', domain: 'new.test', message: 'Stopped.', action: 'Look.' };
      await panel.notify('dora', 'batch-needs-action', { ...data, address: 'dora@new.test' });
      await panel.notify('dora', 'batch-needs-action', { ...data, address: '' });
      expect(mails).toHaveLength(1);
      expect(mails[0]).toMatch(/^To: dora@new\.test\r$/m);
      expect(mails[0]).toMatch(/^Subject: The migrations of new\.test need you\r$/m);
    } finally {
      server.close();
    }
  });

  it('knows the people of the sandbox in the sandbox only', async () => {
    const subject = { kind: 'sandbox', name: 'sam' } as const;
    expect(await signedIn(panelWith(authzid(), {}, true), subject)).toMatchObject({ role: 'support' });
    expect(await signedIn(panelWith(authzid()), subject)).toBeNull();
    expect(panelWith(authzid()).people).toEqual([]);
  });

  it('forgets a session that was closed, and believes no made-up one', async () => {
    const panel = panelWith(authzid(), {}, true);
    const secret = await store.openSession({ kind: 'sandbox', name: 'alice' });
    const request = { headers: { cookie: `${SESSION_COOKIE}=${secret}` } };
    expect(await panel.resolveIdentity(request)).toMatchObject({ sub: 'alice' });
    await store.closeSession(secret);
    expect(await panel.resolveIdentity(request)).toBeNull();
    expect(await panel.resolveIdentity({ headers: { cookie: `${SESSION_COOKIE}=${'A'.repeat(43)}` } })).toBeNull();
    expect(await panel.resolveIdentity({ headers: { 'x-user-id': 'sam' } })).toBeNull();
  });

  it('writes the audit trail as one JSON line an event', async () => {
    const event = { at: new Date(0), tenantId: 'default', sub: 'sam\nx', action: 'job.cancel' };
    await panelWith(authzid()).audit(event);
    const lines = readFileSync(join(dir, 'audit.log'), 'utf8').trim().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ ...event, at: '1970-01-01T00:00:00.000Z' });
  });
});

describe('passwords of accounts', () => {
  it('match their own hash and nothing else', async () => {
    const hash = await hashPassword('Grüße, Welt');
    expect(hash).not.toContain('Grüße');
    expect(await passwordMatches('Grüße, Welt', hash)).toBe(true);
    expect(await passwordMatches('Grüße, welt', hash)).toBe(false);
    expect(await passwordMatches('anything', null)).toBe(false);
    expect(await passwordMatches('', 'scrypt:999999999:8:1:AAAA:AAAA')).toBe(false);
  });
});
