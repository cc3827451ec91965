import { NOWHERE, type Provider } from './provider.js';

/** No server: what another program exported, and the person uploads. */
export const files: Provider = {
  id: 'files',
  name: 'Other (calendar and contact files)',
  comes: 'files',
  servers: [],
  asksForServer: false,
  username: 'any',
  gives: { mail: 'not-offered', contacts: 'yes', calendars: 'yes', tasks: 'yes', notes: 'yes' },
  limits: { maxConnections: 1 },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Files ending in .ics or .vcf that you exported from another program.',
    placeholder: '',
  },
};
