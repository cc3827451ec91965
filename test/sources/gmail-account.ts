import { GmailSource, type GmailSourceOptions } from '../../src/sources/gmail/gmail-source.js';
import type { GmailServer } from '../servers/gmail.js';

/** A source on the scripted Gmail. */
export function gmailSource(server: GmailServer, more: Partial<GmailSourceOptions> = {}): GmailSource {
  return new GmailSource({
    target: { host: '127.0.0.1', port: server.port, security: 'none' },
    login: async () => ({ kind: 'password', user: 'anna@gmail.test', password: 'abcd efgh ijkl mnop' }),
    policy: { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs: 10_000 },
    owner: 'anna@gmail.test',
    openDeadlineMs: 10_000,
    ...more,
  });
}
