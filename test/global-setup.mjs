// Once per jest run: a Postgres, a Redis and two Dovecots in a fresh temp folder, told to the specs by MAILFERRY_TEST.
// test/servers/ says how to use them.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const infra = new URL('../dist/src/standalone/infra/', import.meta.url);
const MASTER = { name: 'ferry', password: 'master secret' };

export default async function setUp() {
  if (!existsSync(new URL('dovecot.js', infra)))
    throw new Error('dist/ is missing: run npm test, or npm run build before jest itself');
  const [{ startPostgres }, { startRedis }, { startDovecot }, { makeAuthority }] = await Promise.all(
    ['postgres.js', 'redis.js', 'dovecot.js', 'certificate.js'].map((file) => import(new URL(file, infra).href)),
  );
  const dir = mkdtempSync(join(tmpdir(), 'mailferry-test-'));
  // Postgres and the mail have users of their own when we are root.
  chmodSync(dir, 0o755);
  const servers = [];
  globalThis.__mailferryServers = { dir, servers };
  const say = (line) => console.log(`\n${line}`);
  const kept = async (starting) => {
    const server = await starting;
    servers.push(server);
    return server;
  };
  try {
    const reaper = spawn(process.execPath, [fileURLToPath(new URL('servers/reaper.mjs', import.meta.url)), dir], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    reaper.unref();
    // Held open as long as this process lives; the system closes it however it ends.
    reaper.stdin.unref();
    globalThis.__mailferryServers.reaper = reaper;
    const authority = makeAuthority('Mailferry tests');
    const common = { dir, say, authority, master: MASTER };
    // All of them, even when one fails: what is still on its way could not be ended.
    const started = await Promise.allSettled([
      kept(startPostgres({ dir, durable: false })),
      kept(startRedis({ dir, durable: false, say })),
      kept(startDovecot({ ...common, name: 'old', format: 'mdbox' })),
      kept(startDovecot({ ...common, name: 'hoster', format: 'maildir', escapeNames: true })),
    ]);
    const failed = started.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
    const [postgres, redis, old, hoster] = started.map((one) => one.value);
    const dovecot = (name, server) => ({
      name,
      dir: server.dir,
      imapPort: server.imapPort,
      imapsPort: server.imapsPort,
      ca: server.ca,
      master: MASTER,
    });
    process.env.MAILFERRY_TEST = JSON.stringify({
      dir,
      databaseUrl: postgres.url,
      redisPath: redis.path,
      old: dovecot('old', old),
      hoster: dovecot('hoster', hoster),
    });
  } catch (error) {
    // jest does not call the teardown when the setup fails.
    const { default: tearDown } = await import('./global-teardown.mjs');
    await tearDown();
    throw error;
  }
}
