import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import pg from 'pg';
import { issue, makeAuthority } from '../../src/standalone/infra/certificate.js';
import { dataPlace } from '../../src/standalone/infra/places.js';
import { startPostgres, type PostgresServer } from '../../src/standalone/infra/postgres.js';
import { alive, commandLine, freePort } from '../../src/standalone/infra/process.js';
import { startRedis } from '../../src/standalone/infra/redis.js';
import { lockDataDir } from '../../src/standalone/lock.js';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mailferry-infra-'));
  chmodSync(dir, 0o755);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const place = (name: string): string => {
  const made = join(dir, name);
  mkdirSync(made);
  return made;
};

async function sql(server: PostgresServer, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query(text)).rows as unknown[];
  } finally {
    await client.end();
  }
}

describe('a private Postgres', () => {
  it('is adopted while it runs, keeps its data, and ends when it is told to', async () => {
    const home = place('pg');
    const first = await startPostgres({ dir: home });
    await sql(first, 'CREATE TABLE kept AS SELECT 42 AS n');
    const again = await startPostgres({ dir: home });
    expect(again).toMatchObject({ adopted: true, pid: first.pid, url: first.url });
    await again.stop();
    expect(alive(first.pid)).toBe(false);
    await first.stop();
    const later = await startPostgres({ dir: home });
    expect(later.adopted).toBe(false);
    expect(await sql(later, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
    await later.stop();
  });

  it('comes up after kill -9, and does not take a stranger with its old pid for itself', async () => {
    const home = place('pg-killed');
    const first = await startPostgres({ dir: home });
    await first.kill();
    const data = dataPlaceOf(home);
    const stranger = spawn('sleep', ['60']);
    const pidFile = join(data, 'postmaster.pid');
    writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(stranger.pid)));
    const second = await startPostgres({ dir: home });
    expect(second.adopted).toBe(false);
    expect(alive(stranger.pid ?? 0)).toBe(true);
    await second.stop();
    stranger.kill();
  });

  /** The data folder, wherever the server's own user could reach one. */
  function dataPlaceOf(home: string): string {
    return dataPlace(home, 'postgres', undefined);
  }
});

describe('a private Redis', () => {
  it('is adopted while it runs, keeps what it was told, and ends when it is told to', async () => {
    const home = place('redis');
    const first = await startRedis({ dir: home });
    const again = await startRedis({ dir: home });
    expect(again).toMatchObject({ adopted: true, pid: first.pid, path: first.path });
    expect(commandLine(first.pid)).toMatch(/redis|valkey/);
    await again.stop();
    expect(alive(first.pid)).toBe(false);
  });

  it('works from a folder whose path is too long for a socket', async () => {
    const home = place('long-'.repeat(30));
    const server = await startRedis({ dir: home, durable: false });
    expect(server.path.length).toBeLessThan(100);
    expect((await startRedis({ dir: home, durable: false })).pid).toBe(server.pid);
    await server.kill();
    const next = await startRedis({ dir: home, durable: false });
    expect(next.adopted).toBe(false);
    await next.stop();
  });
});

describe('certificates of our own', () => {
  it('are what a TLS client wants: signed by the authority, for these names, in time', () => {
    const authority = makeAuthority('Test authority');
    const server = issue(authority, { names: ['mail.example', '127.0.0.1'] });
    const ca = new X509Certificate(authority.cert);
    const cert = new X509Certificate(server.cert);
    expect(ca.ca).toBe(true);
    expect(cert.ca).toBe(false);
    expect(cert.verify(ca.publicKey)).toBe(true);
    expect(cert.checkIssued(ca)).toBe(true);
    expect(cert.checkHost('mail.example')).toBe('mail.example');
    expect(cert.checkHost('other.example')).toBeUndefined();
    expect(cert.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(new Date(cert.validTo).getTime()).toBeGreaterThan(Date.now());
  });
});

describe('the lock on a data folder', () => {
  it('is had by one process, and taken over from one that is gone', () => {
    const home = place('lock');
    const first = lockDataDir(home);
    expect(first).not.toBeNull();
    const other = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'], { stdio: 'ignore' });
    try {
      writeFileSync(join(home, 'start.pid'), `${other.pid}\n`);
      expect(lockDataDir(home)).toBeNull();
    } finally {
      other.kill('SIGKILL');
    }
    writeFileSync(join(home, 'start.pid'), '4194304\n');
    const taken = lockDataDir(home);
    expect(taken).not.toBeNull();
    taken?.release();
  });
});

describe('a port for a server', () => {
  it('is never one that the kernel gives to outgoing connections, and never given twice', async () => {
    const [first = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
    const ports = await Promise.all(Array.from({ length: 200 }, () => freePort()));
    expect(new Set(ports).size).toBe(200);
    // A machine whose range begins low has none below it.
    if (first >= 12_000) expect(Math.max(...ports)).toBeLessThan(first);
  });
});
