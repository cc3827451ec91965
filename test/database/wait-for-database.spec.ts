import { createServer, type AddressInfo } from 'node:net';
import { waitForDatabase } from '../../src/database/wait-for-database.js';
import { testEnv } from '../servers/env.js';

describe('waiting for the database', () => {
  it('ends when it answers', async () => {
    await waitForDatabase(testEnv().databaseUrl, 10_000);
  });

  it('gives up with one line that names the server and not the password', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const error = await waitForDatabase(`postgres://me:s3cret@127.0.0.1:${port}/mail`, 300).catch((e: Error) => e);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(
      new RegExp(`^The database mail at 127\\.0\\.0\\.1:${port} cannot be used: .*ECONNREFUSED.*$`),
    );
    expect((error as Error).message).not.toContain('s3cret');
  });

  it('does not wait where waiting cannot help', async () => {
    const url = new URL(testEnv().databaseUrl);
    url.pathname = '/no_such_database';
    await expect(waitForDatabase(url.href, 24 * 3_600_000)).rejects.toThrow(
      'database "no_such_database" does not exist',
    );
  });

  it('stops when told to', async () => {
    const stop = AbortSignal.abort(new Error('enough'));
    await expect(waitForDatabase('postgres://127.0.0.1:1/x', 60_000, stop)).rejects.toThrow('enough');
  });
});
