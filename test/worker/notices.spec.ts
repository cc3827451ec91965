import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { reasonFor } from '../../src/jobs/messages.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { Outbox } from '../../src/jobs/outbox.js';
import type { NotifyTemplate, SafeText } from '../../src/panel/host-panel.js';
import { OutboxSender } from '../../src/worker/notices/outbox-sender.js';
import { postWebhook } from '../../src/worker/notices/webhook.js';
import { DORA } from '../fakes/fake-panel.js';
import { alice, jobsRoom, newJob, refusal, type Room, sam } from '../jobs/support.js';

const SECRET = 'a secret of some length';
const never = new AbortController().signal;

interface Call {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
let server: Server;
let url: string;
let room: Room;
let calls: Call[] = [];
/** What the receiver answers next; 'silence': nothing. */
let answer: number | 'silence' = 200;
const told: { to: string; template: NotifyTemplate; data: SafeText }[] = [];

beforeAll(async () => {
  server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => {
      calls.push({ headers: req.headers, body });
      if (answer === 'silence') return;
      res.writeHead(answer, answer === 302 ? { location: '/elsewhere' } : {}).end('thanks');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  room = await jobsRoom(
    {
      webhooks: [{ url, secret: SECRET, events: ['started', 'failed'] }],
      egress: { allowPrivate: true, allowPlaintext: true },
    },
    [OutboxSender],
  );
  room.panel.notify = async (to?: string, template?: NotifyTemplate, data?: SafeText) => {
    if (room.panel.down) throw new Error('the panel is away');
    told.push({ to: to!, template: template!, data: data! });
  };
});
beforeEach(async () => {
  await room.clear();
  calls = [];
  answer = 200;
  told.length = 0;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await room.close();
});

const send = () => room.get(OutboxSender).send(never);
const rows = (channel: string) =>
  room.db.query<{ id: string; sent: boolean; failed: boolean; attempts: number; error: string | null; wait: number }[]>(
    `SELECT id, sent_at IS NOT NULL AS sent, failed_at IS NOT NULL AS failed, attempts, error,
       round(extract(epoch FROM due_at - clock_timestamp()))::int AS wait FROM mailferry.outbox WHERE channel = $1`,
    [channel],
  );
const makeDue = () => room.db.query(`UPDATE mailferry.outbox SET due_at = now()`);
const started = async () => (await room.get(JobsService).create(alice, newJob({ start: true }))).job.id;

describe('what is to be told', () => {
  test('is written with the change, and goes to the panel and to the webhook once', async () => {
    const id = await started();
    expect(told).toEqual([]);
    expect(await send()).toBe(2);
    expect(await send()).toBe(0);
    expect(told).toEqual([{ to: 'alice@new.test', template: 'started', data: expect.objectContaining({ jobId: id }) }]);
    expect(calls).toHaveLength(1);
    const [{ headers, body }] = calls as [Call];
    expect(JSON.parse(body)).toMatchObject({
      id: headers['webhook-id'],
      type: 'migration.started',
      tenant: 't1',
      data: { jobId: id, mailbox: 'alice@new.test', state: 'queued', copied: 0 },
    });
    const text = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`;
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', SECRET).update(text).digest('base64')}`);
    expect(Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp']))).toBeLessThan(60);
    expect(body).not.toMatch(/canary/);
  });

  test('is not told when the change is not done', async () => {
    room.panel.gone.add('alice@new.test');
    expect(await refusal(started())).toBe('DESTINATION_MISSING');
    expect(await rows('notify')).toEqual([]);
  });

  test('goes again, later and later, under the same id, until it is taken', async () => {
    await started();
    answer = 503;
    room.panel.down = true;
    expect(await send()).toBe(0);
    expect(await rows('webhook')).toMatchObject([
      { sent: false, failed: false, attempts: 1, error: 'answered with 503' },
    ]);
    expect(await rows('notify')).toMatchObject([{ sent: false, attempts: 1, error: 'the panel is away' }]);
    expect(await send()).toBe(0);
    expect(calls).toHaveLength(1);
    await makeDue();
    await send();
    const { wait } = (await rows('webhook'))[0]!;
    expect(wait).toBeGreaterThan(20);
    answer = 204;
    room.panel.down = false;
    await makeDue();
    expect(await send()).toBe(2);
    expect(new Set(calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(calls).toHaveLength(3);
  });

  test.each([410, 302] as const)('an answer of %i is not followed', async (status) => {
    await started();
    answer = status;
    await send();
    expect(calls).toHaveLength(1);
    expect(await rows('webhook')).toMatchObject([{ sent: false, failed: status === 410 }]);
  });

  test('is given up in the end', async () => {
    await started();
    answer = 500;
    await room.db.query(`UPDATE mailferry.outbox SET attempts = 11`);
    await send();
    expect(await rows('webhook')).toMatchObject([{ sent: false, failed: true, attempts: 12 }]);
    await makeDue();
    expect(await send()).toBe(0);
  });

  test('a target that is not public is given up at once, and no packet is sent', async () => {
    await started();
    const strict = { ...room.options, egress: { ...room.options.egress, allowPrivate: false } };
    await new OutboxSender(room.db, strict, room.panel).send(never);
    expect(calls).toEqual([]);
    expect(await rows('webhook')).toMatchObject([{ failed: true }]);
  });

  test('a target that does not answer is cut off', async () => {
    answer = 'silence';
    const event = { id: 'x', type: 'migration.started', at: new Date(), tenant: 't1', data: {} };
    await expect(postWebhook({ url, secret: SECRET }, event, room.options.egress, never, 200)).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });

  test('two workers send nothing twice', async () => {
    await started();
    const other = new OutboxSender(room.db, room.options, room.panel);
    await Promise.all([send(), other.send(never), send(), other.send(never)]);
    expect([calls.length, told.length]).toEqual([1, 1]);
  });

  test('of a batch is one message to whoever made it', async () => {
    const ids: string[] = [];
    for (const username of ['a', 'b', 'c'])
      ids.push(
        (await room.get(JobsService).create(alice, newJob({ source: { ...newJob().source!, username } }))).job.id,
      );
    const [{ id }] = await room.db.query<[{ id: string }]>(
      `INSERT INTO mailferry.batches (tenant, domain, owner) VALUES ('t1', 'new.test', 'dora') RETURNING id`,
    );
    await room.db.query(`UPDATE mailferry.jobs SET batch = $1, mailbox = 'm' || (source->>'username') || '@new.test'`, [
      id,
    ]);
    for (const job of ids) await room.get(JobsService).act(sam, job, 'start');
    await send();
    expect(told).toEqual([]);
    await makeDue();
    await send();
    expect(told).toEqual([
      {
        to: 'dora',
        template: 'batch-progress',
        data: expect.objectContaining({ batchId: id, domain: 'new.test', started: '3', address: '' }),
      },
    ]);
    expect((await rows('notify')).every(({ sent }) => sent)).toBe(true);
  });

  test('that a batch has stopped goes out at once, with an address as the panel names it now, and to nobody it does not know', async () => {
    for (const owner of ['dora', 'gone']) {
      const [{ id }] = await room.db.query<[{ id: string }]>(
        `INSERT INTO mailferry.batches (tenant, domain, owner, principal) VALUES ('t1', 'new.test', $1, $2) RETURNING id`,
        [owner, JSON.stringify({ ...DORA, sub: owner })],
      );
      const batch = { id, tenant: 't1', domain: 'new.test', name: 'Spring', owner };
      await room.db.transaction((manager) => room.get(Outbox).putBatch(manager, batch, reasonFor('SIGN_INS_REFUSED')));
    }
    room.panel.people.set('dora', { ...DORA, mailboxes: ['dora@new.test'] });
    try {
      await send();
    } finally {
      room.panel.people.set('dora', DORA);
    }
    expect(told).toEqual([
      {
        to: 'dora',
        template: 'batch-needs-action',
        data: expect.objectContaining({ code: 'SIGN_INS_REFUSED', name: 'Spring', address: 'dora@new.test' }),
      },
    ]);
    expect((await rows('notify')).every(({ sent }) => sent)).toBe(true);
  });
});
