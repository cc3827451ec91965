import type { BatchAuth } from '../../src/batches/batch.js';
import type { Connection } from '../../src/batches/contract.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { SecretStore } from '../../src/jobs/secrets.js';
import { SecretOpener } from '../../src/worker/secret-opener.js';
import { ADMIN, batchRoom, type BatchRoom } from './support.js';
import { DORA } from '../fakes/fake-panel.js';
import { actor, CANARY, dora, refusal, sam, TENANT } from '../jobs/support.js';

const PIN = 'ab'.repeat(32);

describe('the connection of a batch', () => {
  let room: BatchRoom;
  let jobs: JobsService;
  beforeAll(async () => {
    room = await batchRoom();
    jobs = room.get(JobsService);
  });
  beforeEach(() => room.clear());
  afterAll(() => room?.close());

  const auths = { admin: ADMIN, 'per-row': { kind: 'per-row' }, 'ask-user': { kind: 'ask-user' } } as const;
  /** Ann’s mailbox is done, Ben’s failed because of the certificate. */
  async function stopped(kind: BatchAuth['kind']): Promise<{ id: string; ann: string; ben: string }> {
    const { id } = await room.batch(['ann', 'ben'], { auth: auths[kind] });
    const [ann, ben] = (await room.jobs(id)) as [string, string];
    if (kind === 'ask-user')
      for (const [name, job] of Object.entries({ ann, ben })) {
        const mailboxes = [`${name}@new.test`];
        const user = actor({ ...DORA, sub: name, role: 'user', domains: [], mailboxes });
        await jobs.setCredentials(user, job, { password: CANARY });
      }
    await room.batches.act(dora, id, 'start');
    await room.settle(id);
    await room.run(ann);
    await room.happen(ben, 'claim');
    await room.happen(ben, 'fail', { reason: reasonFor('TLS_UNTRUSTED') });
    return { id, ann, ben };
  }
  const held = async (job: string): Promise<boolean> => (await room.get(SecretStore).held(job)).source;
  const password = async (job: string): Promise<string | undefined> => {
    const { source } = (await jobs.get(dora.visibility, job))!;
    return (await room.get(SecretOpener).openJob(TENANT, job, source)).source.password;
  };
  const change = (who: typeof dora, id: string, connection: Partial<Connection>): Promise<string> =>
    refusal(room.batches.reconnect(who, id, { port: 993, security: 'tls', ...connection }));

  it('is changed for all its mailboxes at once, and the password goes along with it', async () => {
    const { id, ann, ben } = await stopped('admin');
    const { source } = await room.batches.reconnect(dora, id, { port: 143, security: 'starttls', caFingerprint: PIN });
    expect(source).toMatchObject({ host: 'imap.old.test', port: 143, security: 'starttls', caFingerprint: PIN });
    for (const [job, username] of [
      [ann, 'ann@new.test'],
      [ben, 'ben@new.test'],
    ] as const) {
      expect((await jobs.get(dora.visibility, job))!.source).toEqual({ ...source, username });
      expect(await password(job)).toBe(CANARY);
    }
    await room.batches.act(dora, id, 'retry');
    expect(await room.settle(id)).toEqual(['completed', 'queued']);
    // And back to a certificate that can be checked.
    await room.batches.act(dora, id, 'pause');
    await room.settle(id);
    expect((await room.batches.reconnect(dora, id, { port: 993, security: 'tls' })).source).not.toHaveProperty(
      'caFingerprint',
    );
    const lines = await room.db.query<{ n: string }[]>(
      `SELECT count(*) AS n FROM mailferry.audit WHERE action = 'batch.settings'`,
    );
    expect(Number(lines[0]!.n)).toBe(2);
  });

  it('stays as it is while something is copied, before the start and after the end', async () => {
    const { id, ben } = await stopped('admin');
    await room.batches.act(dora, id, 'retry');
    await room.settle(id);
    expect(await change(dora, id, { port: 143 })).toBe('BATCH_BUSY');
    expect((await jobs.get(dora.visibility, ben))!.source.port).toBe(993);
    expect((await room.batches.get(dora.visibility, id))!.source.port).toBe(993);
    await room.batches.act(dora, id, 'cancel');
    await room.settle(id);
    expect(await change(dora, id, { port: 143 })).toBe('INVALID_STATE');
    expect(await change(dora, (await room.batch(['cem'])).id, { port: 143 })).toBe('INVALID_STATE');
  });

  it('gives no password that somebody else typed to another port or certificate', async () => {
    const own = await stopped('per-row');
    expect(await change(dora, own.id, { caFingerprint: PIN })).toBe('done');
    expect(await held(own.ann)).toBe(true);
    expect(await change(sam, own.id, { port: 994 })).toBe('done');
    expect([await held(own.ann), await held(own.ben)]).toEqual([false, false]);
    await room.clear();

    const users = await stopped('ask-user');
    expect(await change(dora, users.id, { caFingerprint: PIN })).toBe('done');
    expect([await held(users.ann), await held(users.ben)]).toEqual([false, false]);
    // Both are asked anew, the one whose mailbox is done, too: passes are to come.
    expect(await room.batches.invite(dora, users.id, { days: 7, send: false })).toBe(2);
    await room.clear();

    const admin = await stopped('admin');
    expect(await change(sam, admin.id, { port: 994, password: `${CANARY}-2` })).toBe('done');
    expect(await password(admin.ben)).toBe(`${CANARY}-2`);
    expect(await change(sam, admin.id, { port: 995 })).toBe('done');
    expect(await held(admin.ben)).toBe(true);
    expect(await change(dora, admin.id, { port: 996 })).toBe('done');
    expect(await held(admin.ben)).toBe(false);
    expect(await refusal(room.batches.act(dora, admin.id, 'retry'))).toBe('CREDENTIALS_REQUIRED');
  });

  it('loses its encryption only with a password that was typed for it', async () => {
    const { id, ben } = await stopped('admin');
    expect(await change(dora, id, { port: 143, security: 'none' })).toBe('ENCRYPTION_KEPT');
    const typed = await change(dora, id, { port: 143, security: 'none', password: CANARY });
    expect(['done', 'TLS_REQUIRED']).toContain(typed);
    expect(await change(dora, id, { port: 0 })).toBe('VALIDATION');
    expect(await change(dora, id, { caFingerprint: 'x' })).toBe('VALIDATION');
    expect(await held(ben)).toBe(true);
  });

  it('is not one mailbox’s own where an administrator signs in: the answer says which batch’s it is', async () => {
    const { id, ben } = await stopped('admin');
    const { source, filters } = (await jobs.get(sam.visibility, ben))!;
    for (const tried of [
      jobs.patch(sam, ben, { source: { ...source, port: 143 } }),
      jobs.setCredentials(sam, ben, { password: 'x' }),
    ])
      expect(await tried.catch((error: unknown) => error)).toMatchObject({
        code: 'BATCH_LOGIN',
        details: { batch: id },
      });
    // What is no connection may be changed: the form sends the rest along.
    expect(await refusal(jobs.patch(sam, ben, { source, filters: { ...filters, maxItemBytes: 9 } }))).toBe('done');
    await room.batches.act(dora, id, 'finish', { anyway: true });
    const { login: _, ...own } = source;
    expect(await refusal(jobs.patch(sam, ben, { source: own }))).toBe('done');
    expect(await refusal(jobs.setCredentials(sam, ben, { password: 'x' }))).toBe('done');
  });
});
