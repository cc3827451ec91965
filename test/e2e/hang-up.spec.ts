import { hoster } from '../servers/dovecot.js';
import { scriptedImap } from '../servers/scripted-imap.js';
import { type Stack, startStack } from './stack.js';

describe('an old server that hangs up', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ env: { MAILFERRY_ALLOW_PLAINTEXT: 'true' } });
  });
  afterAll(() => stack?.stop());

  it.each(['greeting', 'CAPABILITY', 'AUTHENTICATE', 'LIST'])(
    'at %s gives a code, a sentence and what to do; the worker lives',
    async (stage) => {
      const hangUp = { [stage]: ({ session }: { session: { hangUp(): void } }) => session.hangUp() };
      const server = await scriptedImap(
        stage === 'greeting' ? { CAPABILITY: hangUp['greeting']! } : hangUp,
        stage === 'greeting' ? { greeting: '' } : { greeting: '* OK hello\r\n' },
      );
      try {
        const to = hoster.account();
        const api = await stack.api(to.user);
        const source = {
          type: 'imap',
          host: '127.0.0.1',
          port: server.port,
          security: 'none',
          username: 'eve',
          password: 'password of eve',
        };
        const { body } = await api.post('/jobs', { mailbox: to.user, source, start: true });
        const ended = await api.until(body.id, ['failed', 'waiting', 'needs-action', 'completed']);
        expect(ended.state).toMatch(/failed|waiting/);
        expect(ended.reason).toMatchObject({
          code: expect.stringMatching(/^(CONNECT_FAILED|PROTOCOL_ERROR|TIMEOUT|LISTING_FAILED)$/),
          message: expect.stringMatching(/\.$/),
          action: expect.stringMatching(/\.$/),
        });
        expect(stack.worker.alive).toBe(true);
      } finally {
        await server.close();
      }
    },
    80_000,
  );
});
