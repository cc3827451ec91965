import type { SourceSettings } from '../../src/jobs/job.js';
import type { DestinationGrant } from '../../src/panel/host-panel.js';
import { SameMailbox } from '../../src/worker/same-mailbox.js';

const grant: DestinationGrant = {
  grantId: 'g',
  expiresAt: new Date(0),
  kind: 'user-secret',
  endpoint: { host: '192.0.2.1', port: 993, security: 'tls' },
  dav: { url: 'https://192.0.2.2/{user}/' },
  login: 'alice@new.test',
  secret: null,
};
const source = (more: Partial<SourceSettings>): SourceSettings => ({
  type: 'imap',
  host: '198.51.100.1',
  port: 993,
  security: 'tls',
  username: 'alice@new.test',
  ...more,
});

it.each([
  ['another server', source({}), false],
  ['the same mail server', source({ host: '192.0.2.1' }), true],
  ['the same mail server without TLS from the start', source({ host: '192.0.2.1', port: 143 }), true],
  ['the same calendars beside other mail', source({ dav: { url: 'https://192.0.2.2/' } }), true],
  ['the same calendars alone', source({ type: 'dav', host: '192.0.2.2', port: 443 }), true],
  [
    'the same calendars alone, by their address',
    source({ type: 'dav', port: 443, dav: { url: 'https://192.0.2.2/x/' } }),
    true,
  ],
  ['another port of that machine', source({ type: 'dav', host: '192.0.2.2', port: 8443 }), false],
  ['somebody else there', source({ type: 'dav', host: '192.0.2.2', port: 443, username: 'bob@new.test' }), false],
])('%s', async (_, settings, same) => {
  expect(await new SameMailbox().suspects(settings, grant, 'alice@new.test')).toBe(same);
});
