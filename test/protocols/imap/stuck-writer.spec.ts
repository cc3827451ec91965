import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { append } from '../../../src/protocols/imap/commands/append.js';
import { openImap } from '../../../src/protocols/imap/open.js';
import { scriptedImap, type ScriptedImap } from '../../servers/scripted-imap.js';

const SIZE = 32 * 1024 * 1024;
let server: ScriptedImap;
beforeAll(async () => {
  // Refuses before it has the message, and reads no more.
  server = await scriptedImap({
    APPEND: async ({ tag, session }) => {
      session.socket.pause();
      await session.send(`${tag} NO [OVERQUOTA] full\r\n`);
    },
  });
});
afterAll(() => server.close());

it('a command behind a message that a server refused and does not read any more comes to an end', async () => {
  const policy = { allowPrivate: true, allowPlaintext: true, ports: 'any' as const, deadlineMs: 5_000 };
  const connection = await openImap(
    { host: '127.0.0.1', port: server.port, security: 'none' },
    { kind: 'password', user: 'a', password: 'b' },
    { policy },
    new AbortController().signal,
  );
  async function* open(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < SIZE; at += 65_536) yield Buffer.alloc(65_536, 65);
  }
  const watch = { mayCommit: () => true, begun: false };
  const stored = append(connection, 'INBOX', [{ size: SIZE, flags: [], date: null, open }], watch);
  await expect(stored).rejects.toMatchObject({ kind: 'refused' });
  await expect(connection.command('NOOP', { quietMs: 1_000 })).rejects.toMatchObject({ kind: 'quiet' });
});
