import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DavClient, type DavLogin } from '../../../src/protocols/dav/client.js';
import { put } from '../../../src/protocols/dav/put.js';
import { POLICY } from '../../contracts/closed-network.js';
import { Listeners } from '../../fixtures/listeners.js';

const listeners = new Listeners();
const clients: DavClient[] = [];
const signal = new AbortController().signal;
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await listeners.closeAll();
});

/** A server that takes PUTs with the valid token; its answers come one after the other. */
async function account(): Promise<{
  put: (name: number) => Promise<string>;
  readonly asked: { count: number };
  valid: string;
  current: DavLogin;
  refusals: number;
}> {
  const asked = { count: 0 };
  const { port } = await listeners.listen(
    createServer((request, answer) => {
      request.resume();
      request.on('end', () => {
        const ok = request.headers.authorization === `Bearer ${state.valid}`;
        if (!ok) state.refusals++;
        void sleep(20 * Number(request.url!.slice(1))).then(() => answer.writeHead(ok ? 201 : 401).end());
      });
    }),
  );
  const home = new URL(`http://127.0.0.1:${port}/`);
  const client = new DavClient({
    home,
    policy: POLICY,
    maxConnections: 8,
    login: async () => {
      asked.count++;
      await sleep(5);
      return state.current;
    },
    errors: { side: 'destination' },
  });
  clients.push(client);
  const state = {
    asked,
    valid: 'one',
    current: { kind: 'token', user: 'alice', token: 'one' } as DavLogin,
    refusals: 0,
    put: async (name: number) => {
      const object = { url: new URL(String(name), home), bytes: Buffer.from('x'), type: 'text/plain' };
      return put(client, object, signal).then(
        ({ is }) => is,
        (error: unknown) => client.toError(error).code,
      );
    },
  };
  return state;
}

describe('a token that ends', () => {
  it('while several requests are under way is replaced once, and all of them arrive', async () => {
    const at = await account();
    expect(await at.put(0)).toBe('stored');
    at.valid = 'two';
    at.current = { kind: 'token', user: 'alice', token: 'two' };
    expect(await Promise.all([1, 2, 3, 4].map(at.put))).toEqual(['stored', 'stored', 'stored', 'stored']);
    expect(at.refusals).toBe(4);
    expect(at.asked.count).toBe(2);
  });

  it('and is not replaced ends each request after one refusal', async () => {
    const at = await account();
    expect(await at.put(0)).toBe('stored');
    at.valid = 'two';
    expect(await Promise.all([1, 2, 3].map(at.put))).toEqual(['AUTH_FAILED', 'AUTH_FAILED', 'AUTH_FAILED']);
    expect(at.refusals).toBe(3);
    // The next one may go again with what is given then.
    at.current = { kind: 'token', user: 'alice', token: 'two' };
    expect(await at.put(0)).toBe('stored');
  });

  it('is asked for once when several requests begin', async () => {
    const at = await account();
    expect(await Promise.all([1, 2, 3].map(at.put))).toEqual(['stored', 'stored', 'stored']);
    expect(at.asked.count).toBe(1);
  });
});

it('does not send an object again by itself on a kept connection that ended: the first may have been stored', async () => {
  let puts = 0;
  const { port } = await listeners.listen(
    createServer((request, answer) => {
      request.resume();
      request.on('end', () => (++puts === 1 ? answer.writeHead(201).end() : request.socket.destroy()));
    }),
  );
  const home = new URL(`http://127.0.0.1:${port}/`);
  const client = new DavClient({
    home,
    policy: POLICY,
    maxConnections: 1,
    login: async () => ({ kind: 'token', user: 'alice', token: 'one' }),
    errors: { side: 'destination' },
  });
  clients.push(client);
  const object = (name: string) => ({ url: new URL(name, home), bytes: Buffer.from('x'), type: 'text/plain' });
  expect(await put(client, object('a'), signal)).toMatchObject({ is: 'stored' });
  await expect(put(client, object('b'), signal)).rejects.toThrow();
  expect(puts).toBe(2);
});
