import { Test } from '@nestjs/testing';
import type { NestExpressApplication } from '@nestjs/platform-express';
import request from 'supertest';
import { ExampleHost } from '../../examples/nestjs-panel/example-host.js';
import { furnish, PanelModule } from '../../examples/nestjs-panel/panel.module.js';
import type { PluginOptions } from '../../src/index.js';
import { emptyDatabase, freshDatabase } from '../servers/database.js';
import { redisAddress } from '../servers/redis.js';

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** What the panel's own people ask for: pages, JSON, errors, what its guard refuses, what nobody has. */
const QUESTIONS: readonly {
  method: 'get' | 'post' | 'options';
  path: string;
  cookie?: string;
  body?: object;
  type?: string;
}[] = [
  { method: 'get', path: '/', cookie: 'panel-user=alice' },
  { method: 'get', path: '/' },
  { method: 'post', path: '/notes', cookie: 'panel-user=alice', body: { text: 'hello' } },
  { method: 'get', path: '/notes', cookie: 'panel-user=alice' },
  { method: 'get', path: '/notes/1', cookie: 'panel-user=alice' },
  { method: 'get', path: '/notes/x', cookie: 'panel-user=alice' },
  { method: 'get', path: '/notes/99', cookie: 'panel-user=alice' },
  { method: 'post', path: '/notes', cookie: 'panel-user=alice', body: '{broken' as never, type: 'application/json' },
  { method: 'get', path: '/nothing-here', cookie: 'panel-user=alice' },
  { method: 'get', path: '/assets/mailferry.css', cookie: 'panel-user=alice' },
  { method: 'options', path: '/notes' },
];

async function answers(app: NestExpressApplication): Promise<Answer[]> {
  const all: Answer[] = [];
  for (const { method, path, cookie, body, type } of QUESTIONS) {
    const asked = request(app.getHttpServer())[method](path);
    if (cookie) void asked.set('cookie', cookie);
    if (type) void asked.set('content-type', type);
    const answer = await (body ? asked.send(body) : asked);
    const { date: _date, ...headers } = answer.headers as Record<string, string>;
    all.push({ status: answer.status, headers, body: answer.text });
  }
  return all;
}

describe('as a guest in a panel with its own view engine, guard, pipe and entities', () => {
  const database = freshDatabase();
  const hostAlone = emptyDatabase();
  const hostWith = emptyDatabase();

  async function boot(
    module: Parameters<typeof Test.createTestingModule>[0]['imports'],
  ): Promise<NestExpressApplication> {
    const testing = await Test.createTestingModule({ imports: module ?? [] }).compile();
    const app = furnish(testing.createNestApplication<NestExpressApplication>({ logger: false }));
    await app.init();
    return app;
  }

  async function options(): Promise<PluginOptions> {
    const panel = new ExampleHost('new.test', { host: '127.0.0.1', port: 993, master: 'admin', masterPassword: 'x' });
    return {
      panel,
      databaseUrl: (await database).url,
      redis: redisAddress(),
      keys: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
      egress: { allowPrivate: true },
      logLevel: 'silent',
    };
  }

  afterAll(async () => {
    for (const one of [database, hostAlone, hostWith]) await (await one).drop();
  });

  it("leaves the host's own routes the same, byte for byte", async () => {
    const alone = await boot([PanelModule.alone((await hostAlone).url)]);
    const before = await answers(alone);
    await alone.close();
    const together = await boot([PanelModule.withMigrations((await hostWith).url, await options())]);
    const after = await answers(together);
    const ours = await request(together.getHttpServer()).get('/migrate').set('cookie', 'panel-user=alice');
    await together.close();
    expect(before.map((answer) => answer.status)).toEqual([200, 403, 201, 200, 200, 400, 500, 400, 404, 404, 404]);
    expect(after).toEqual(before);
    expect(ours.status).toBe(200);
    expect(ours.text).toContain('Example panel');
  });

  it('does not start when the manifest asks for another host API than the panel has', async () => {
    const old = await options();
    const panel = Object.assign(Object.create(old.panel) as typeof old.panel, { apiVersion: '0.9.0' });
    await expect(
      (async () => boot([PanelModule.withMigrations((await hostWith).url, { ...old, panel })]))(),
    ).rejects.toThrow(/host API \^1\.0\.0; the panel says 0\.9\.0/);
  });
});
