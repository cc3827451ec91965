import { once } from 'node:events';
import { rmSync } from 'node:fs';

export default async function tearDown() {
  const { dir, servers, reaper } = globalThis.__mailferryServers ?? { servers: [] };
  await Promise.allSettled(servers.map((server) => server.stop()));
  if (reaper !== undefined) {
    // It ends what a spec left behind: one whose tests are all skipped has no hooks, one that is forced out has no time.
    reaper.ref();
    const ended = once(reaper, 'exit');
    reaper.stdin.end();
    await ended;
  }
  if (dir) rmSync(dir, { recursive: true, force: true });
}
