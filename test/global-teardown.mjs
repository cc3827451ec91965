import { rmSync } from 'node:fs';

export default async function tearDown() {
  const { dir, servers, reaper } = globalThis.__mailferryServers ?? { servers: [] };
  await Promise.allSettled(servers.map((server) => server.stop()));
  reaper?.kill('SIGKILL');
  if (dir) rmSync(dir, { recursive: true, force: true });
}
