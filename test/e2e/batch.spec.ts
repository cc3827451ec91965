import { setTimeout as delay } from 'node:timers/promises';
import type { BatchView, RefusedRow } from '../../src/batches/batch.js';
import type { JobPage } from '../../src/jobs/contract.js';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { accountOn, appendMessages, hoster, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { PRIVATE_MASTER, privateDovecot, stopPrivateServers } from '../servers/private.js';
import { type Api, fingerprintOf, type Stack, startStack } from './stack.js';

/** `MAILFERRY_BATCH_ROWS=200` for the size that the product is to bear. */
const MAILBOXES = Number(process.env['MAILFERRY_BATCH_ROWS'] ?? 8);
const MESSAGES = 25;
const LIMIT_MS = 240_000 + MAILBOXES * 5_000;

describe('a whole domain, opened by a master user', () => {
  let stack: Stack;
  let api: Api;
  beforeAll(async () => {
    stack = await startStack({ shortLease: true });
    api = await stack.api(null, { role: 'domain-admin', domain: 'new.test' });
  });
  afterAll(async () => {
    await stack?.stop();
    await stopPrivateServers();
  });

  type Answered = BatchView & { readonly refused: readonly RefusedRow[] };
  const look = async (id: string): Promise<Answered> => (await api.get<Answered>(`/batches/${id}`)).body;
  async function until(id: string, wanted: (batch: Answered) => boolean): Promise<Answered> {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const batch = await look(id);
      if (wanted(batch)) return batch;
      if (Date.now() > end)
        throw new Error(`${batch.state} ${JSON.stringify(batch.reason)} ${JSON.stringify(batch.counts)}`);
      await delay(100);
    }
  }
  const exact = async (account: TestAccount) =>
    (await readMailbox(account))
      .map(({ path, messages }) => ({ path, messages }))
      .filter(({ messages }) => messages.length > 0);

  it(
    'arrives complete although the old server goes away and the worker is killed, and every bad row is explained',
    async () => {
      const old = await privateDovecot({ format: 'mdbox' });
      const tag = Math.random().toString(36).slice(2, 8);
      const people = Array.from({ length: MAILBOXES }, (_, i) => {
        const name = `b${tag}-${i}`;
        return { from: accountOn(old, { name }), to: hoster.account({ name }) };
      });
      for (const [i, { from }] of people.entries()) await appendMessages(from, fixtureMailbox(MESSAGES, i));
      const nobody = `nobody-${tag}@new.test`;
      const csv = [
        'source_username;mailbox;source_password',
        ...people.map(({ from, to }) => `${from.user};${to.user};`),
        `${people[0]!.from.user};${people[0]!.to.user};`,
        `someone@private.test;${people[1]!.to.user};`,
        'x;boss@other.test;',
        'x;not an address;',
        `a*b;${nobody};`,
        // The panel knows it, the mail server does not: only opening it will tell.
        `ghost-${tag}@private.test;${nobody};`,
      ].join('\n');
      const made = await api.post<{ id: string; accepted: number; refused: RefusedRow[] }>('/batches', {
        domain: 'new.test',
        source: {
          type: 'imap',
          host: '127.0.0.1',
          port: old.imapsPort,
          security: 'tls',
          caFingerprint: await fingerprintOf(old.imapsPort),
        },
        auth: {
          kind: 'admin',
          method: 'composite',
          username: PRIVATE_MASTER.name,
          password: PRIVATE_MASTER.password,
          template: '{user}*{admin}',
        },
        csv,
        options: { atOnce: 3 },
      });
      expect([made.status, made.body.accepted]).toEqual([201, MAILBOXES + 1]);
      expect(made.body.refused.map(({ row, code }) => [row - MAILBOXES, code])).toEqual([
        [1, 'DUPLICATE_ROW'],
        [2, 'MAILBOX_TWICE'],
        [3, 'FOREIGN_DOMAIN'],
        [4, 'MAILBOX_INVALID'],
        [5, 'USERNAME_INVALID'],
      ]);
      const { id } = made.body;

      expect((await api.post(`/batches/${id}/test`)).status).toBe(202);
      const tested = await until(id, ({ testing }) => !testing);
      expect(tested.counts).toMatchObject({ tested: MAILBOXES + 1, testsPassed: MAILBOXES });

      expect((await api.post(`/batches/${id}/start`)).status).toBe(202);
      expect((await api.post(`/batches/${id}/start`)).status).toBe(409);
      await until(id, ({ counts }) => counts.states.completed >= 1);
      await old.kill();
      await stack.worker.kill();
      stack.worker.start();
      await until(id, ({ counts }) => counts.states.waiting >= 1 || counts.states.completed >= MAILBOXES);
      await old.restart();
      // What waits for the old server need not wait for its turn to look again.
      const over = ({ counts: { states } }: Answered): boolean =>
        states.completed >= MAILBOXES && states.draft + states.queued + states.running + states.waiting === 0;
      await until(id, (batch) => {
        if (batch.counts.states.waiting > 0) void wake(id);
        return over(batch);
      });
      const { body: list } = await api.get<JobPage>(`/jobs?batch=${id}&perPage=200`);
      const ghosts = list.jobs.filter(({ outcome }) => outcome !== 'complete');
      expect(ghosts.map(({ mailbox, reason }) => [mailbox, reason?.code])).toEqual([[nobody, 'DESTINATION_MISSING']]);
      for (const { from, to } of people) expect(await exact(to)).toEqual(await exact(from));

      // The last pass brings what came since, and waits for somebody because of the one that has no mailbox.
      await appendMessages(people[0]!.from, fixtureMailbox(3, 99));
      expect((await api.post(`/batches/${id}/sync`, { last: true })).status).toBe(202);
      const held = await until(id, ({ reason }) => reason !== undefined);
      expect([held.state, held.reason?.code, held.counts.unfinished]).toEqual(['active', 'FINISH_NEEDS_YOU', 1]);
      expect((await api.post(`/batches/${id}/finish`)).status).toBe(409);
      // Finished anyway, it ends with every secret erased.
      expect((await api.post(`/batches/${id}/finish`, { anyway: true })).status).toBe(202);
      await until(id, ({ state, counts }) => state === 'finished' && counts.states.cancelled === 1);
      expect(await exact(people[0]!.to)).toEqual(await exact(people[0]!.from));
      const retry = await api.post<{ error: { code: string } }>(`/jobs/${list.jobs[0]!.id}/sync`);
      expect([409, 422]).toContain(retry.status);
      const everything = `${JSON.stringify(await look(id))}${stack.web.log()}${stack.worker.log()}`;
      expect(everything).not.toContain(PRIVATE_MASTER.password);
    },
    LIMIT_MS * 2,
  );

  async function wake(id: string): Promise<void> {
    const { body } = await api.get<JobPage>(`/jobs?batch=${id}&state=waiting&perPage=200`);
    if (body.jobs.length > 0) await api.post(`/batches/${id}/resume`, { ids: body.jobs.map((job) => job.id) });
  }
});
