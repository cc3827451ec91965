import { ASKED, CAREFUL_CONNECTIONS, everything, NOWHERE, type Provider } from './provider.js';

export const otherImap: Provider = {
  id: 'imap',
  name: 'Other (IMAP)',
  comes: 'imap',
  servers: [ASKED],
  asksForServer: true,
  username: 'any',
  // A calendar may hold journals.
  gives: everything({ notes: 'yes' }),
  limits: { maxConnections: CAREFUL_CONNECTIONS },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Any other provider. Type your address and we look for the settings.',
    note: 'Almost every provider offers IMAP. Some want it switched on, or a password of its own for other programs: see their help.',
    placeholder: 'anna@company.example',
  },
};
