import { get as httpGet, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { startWeb, type WebApp } from '../web-app.js';

const SOURCE = { type: 'imap', host: 'imap.old.test', port: 993, security: 'tls', username: 'alice', password: 'pw' };
const DEADLINE_MS = 10_000;

let web: WebApp;
let port: number;
let bearer: string;
let id: string;
beforeEach(async () => {
  web = await startWeb();
  await web.app.listen(0, '127.0.0.1');
  port = (web.server.address() as AddressInfo).port;
  bearer = `Bearer ${await web.token({ sub: 'alice' })}`;
  const made = await request(web.server)
    .post('/migrate/api/v1/jobs')
    .set('Authorization', bearer)
    .send({ mailbox: 'alice@new.test', source: SOURCE, start: true });
  id = made.body.id as string;
});
afterEach(() => web.close());

interface Stream {
  readonly response: IncomingMessage;
  text: string;
  ended: boolean;
}
function follow(headers: Record<string, string> = {}): Promise<Stream> {
  return new Promise((resolve, reject) => {
    httpGet(
      {
        port,
        host: '127.0.0.1',
        path: `/migrate/api/v1/jobs/${id}/events`,
        headers: { Authorization: bearer, ...headers },
      },
      (response) => {
        const stream: Stream = { response, text: '', ended: false };
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (stream.text += chunk));
        response.on('close', () => (stream.ended = true));
        resolve(stream);
      },
    ).on('error', reject);
  });
}
async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + DEADLINE_MS; Date.now() < end;) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never: ${what}`);
}
function events(
  text: string,
): { type: string; id: string; data: { state: string; version: number; progress: { copied: number } } }[] {
  return [...text.matchAll(/event: (\w+)\nid: (\d+)\ndata: (.*)\n\n/g)].map(([, type, version, data]) => ({
    type: type!,
    id: version!,
    data: JSON.parse(data!) as never,
  }));
}
const openStreams = async (): Promise<number> =>
  Number(/mailferry_event_streams (\d+)/.exec((await request(web.server).get('/migrate/metrics')).text)?.[1]);

describe('the event stream', () => {
  it('begins with a snapshot, follows progress and state, ends with the job; ids are versions', async () => {
    const stream = await follow();
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    await until(() => stream.text.includes('event: snapshot'), 'a snapshot');
    web.room.change(id, { state: 'running' });
    const { progress } = web.room.records.get(id)!.view;
    web.room.change(id, { progress: { ...progress, found: 9, copied: 4 } });
    web.room.change(id, { state: 'completed', outcome: 'complete' });
    await until(() => stream.ended, 'the end of the stream');
    const seen = events(stream.text);
    expect(seen.map(({ type }) => type)).toEqual(['snapshot', 'state', 'progress', 'state', 'end']);
    expect(seen.every((event) => event.id === String(event.data.version))).toBe(true);
    expect(seen[2]?.data.progress.copied).toBe(4);
    expect(seen.at(-1)?.data).toEqual(
      (await request(web.server).get(`/migrate/api/v1/jobs/${id}`).set('Authorization', bearer)).body,
    );
  });

  it('begins again with the newest state after a reconnect with Last-Event-ID', async () => {
    web.room.change(id, { state: 'running' });
    const stream = await follow({ 'Last-Event-ID': '1' });
    await until(() => events(stream.text).length > 0, 'a snapshot');
    expect(events(stream.text)[0]).toMatchObject({ type: 'snapshot', data: { state: 'running' } });
    stream.response.destroy();
  });

  it('of a finished job is a snapshot and the end', async () => {
    web.room.change(id, { state: 'failed' });
    const stream = await follow();
    await until(() => stream.ended, 'the end');
    expect(events(stream.text).map(({ type }) => type)).toEqual(['snapshot', 'end']);
  });

  it('answers HEAD at once and keeps nothing open', async () => {
    const answer = await request(web.server).head(`/migrate/api/v1/jobs/${id}/events`).set('Authorization', bearer);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect(await openStreams()).toBe(0);
  });

  it('lets go when the reader leaves', async () => {
    const stream = await follow();
    await until(() => stream.text.includes('snapshot'), 'a snapshot');
    expect(await openStreams()).toBe(1);
    stream.response.destroy();
    for (const end = Date.now() + DEADLINE_MS; (await openStreams()) > 0;)
      if (Date.now() > end) throw new Error('the stream stays open');
  });

  it('ends when the application stops, so that nobody holds up the host', async () => {
    const stream = await follow();
    await until(() => stream.text.includes('snapshot'), 'a snapshot');
    const closing = web.close();
    await until(() => stream.ended, 'the end');
    await closing;
  });

  it('is refused with 429 when one person follows too many, and another person still may', async () => {
    const streams: Stream[] = [];
    for (let i = 0; i < 12; i += 1) streams.push(await follow());
    const refused = await request(web.server).get(`/migrate/api/v1/jobs/${id}/events`).set('Authorization', bearer);
    expect([refused.status, refused.body.error.code]).toEqual([429, 'RATE_LIMITED']);
    bearer = `Bearer ${await web.token({ sub: 'sam', role: 'support' })}`;
    const other = await follow();
    await until(() => other.text.includes('snapshot'), 'a snapshot');
    for (const stream of [...streams, other]) stream.response.destroy();
  });
});
