/**
 * Servers of one spec's own, for faults: they may be killed, started again on the same data and ports, or made awkward.
 *
 *     const dovecot = await privateDovecot({ prefix: 'INBOX.', separator: '.', maxUserIpConnections: 3 });
 *     const account = accountOn(dovecot, { quota: '64K' });        // see dovecot.ts
 *     await dovecot.kill(); await dovecot.restart(); dovecot.dropSessions();
 *     const redis = await privateRedis();  await redis.kill();  await redis.restart();
 *     const postgres = await privatePostgres(); const database = await freshDatabase(postgres.url);
 *     afterAll(stopPrivateServers);
 *
 * A start takes some 100 ms (Postgres about 1 s).
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { chmodSync } from 'node:fs';
import { startDovecot, type DovecotOptions, type DovecotServer } from '../../src/standalone/infra/dovecot.js';
import { startPostgres, type PostgresServer } from '../../src/standalone/infra/postgres.js';
import { startRedis, type RedisServer } from '../../src/standalone/infra/redis.js';
import { testEnv } from './env.js';

/** Who opens every mailbox of a private Dovecot. */
export const PRIVATE_MASTER = { name: 'ferry', password: 'master secret' };
const started: { stop(): Promise<void> }[] = [];
const folders: string[] = [];

export async function privateDovecot(options: Partial<DovecotOptions> = {}): Promise<DovecotServer> {
  return kept(await startDovecot({ name: 'private', dir: privateFolder(), master: PRIVATE_MASTER, ...options }));
}

export interface Restartable {
  /** After kill() or stop(). The address stays the same. */
  restart(): Promise<void>;
}

/** @param durable true: what it holds survives kill(). */
export async function privateRedis(durable = false): Promise<RedisServer & Restartable> {
  const dir = privateFolder();
  return restartable(() => startRedis({ dir, durable }));
}

export async function privatePostgres(): Promise<PostgresServer & Restartable> {
  const dir = privateFolder();
  let port: number | undefined;
  return restartable(async () => {
    const server = await startPostgres({ dir, port });
    port = Number(new URL(server.url).port);
    return server;
  });
}

/** For afterAll. */
export async function stopPrivateServers(): Promise<void> {
  await Promise.allSettled(started.splice(0).map((server) => server.stop()));
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
}

async function restartable<T extends RedisServer | PostgresServer>(start: () => Promise<T>): Promise<T & Restartable> {
  let server = await start();
  const first = server;
  return kept({
    ...first,
    get pid() {
      return server.pid;
    },
    stop: () => server.stop(),
    kill: () => server.kill(),
    async restart() {
      server = await start();
    },
  });
}

/** It is stopped by stopPrivateServers(). */
export function kept<T extends { stop(): Promise<void> }>(server: T): T {
  started.push(server);
  return server;
}

/** A folder of a server of one spec's own; stopPrivateServers() removes it. */
export function privateFolder(): string {
  const parent = join(testEnv().dir, 'private');
  mkdirSync(parent, { recursive: true });
  const dir = mkdtempSync(join(parent, 's-'));
  chmodSync(dir, 0o755);
  folders.push(dir);
  return dir;
}
