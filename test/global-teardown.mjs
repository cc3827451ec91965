import { rmSync } from 'node:fs';

export default async function tearDown() {
  const { dir, servers } = globalThis.__mailferryServers ?? { servers: [] };
  await Promise.allSettled(servers.map((server) => server.stop()));
  if (dir) rmSync(dir, { recursive: true, force: true });
}
