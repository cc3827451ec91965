import { type Provider, NOWHERE } from './provider.js';

/** Keeps no mail of its own: contacts, calendars and tasks by CardDAV and CalDAV at /remote.php/dav, found by RFC 6764. */
export const nextcloud: Provider = {
  id: 'nextcloud',
  name: 'Nextcloud',
  comes: 'dav',
  servers: [{ host: null, port: 443, security: 'tls' }],
  asksForServer: true,
  username: 'account',
  dav: 'same-host',
  gives: { mail: 'not-offered', contacts: 'yes', calendars: 'yes', tasks: 'yes', notes: 'not-offered' },
  limits: { maxConnections: 4 },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Contacts, calendars and tasks in a Nextcloud, or in ownCloud.',
    first: 'Make an app password. With two-factor authentication on, Nextcloud refuses your usual password.',
    steps: [
      'Sign in to your Nextcloud and open "Settings", then "Security".',
      'At the end, under "Devices & sessions", type a name such as "Migration" and press "Create new app password".',
      'Use the user name and the password that are shown there.',
    ],
    note: 'Mail that you read in Nextcloud lies at a mail provider. Move it with a migration of its own: choose that provider.',
    placeholder: 'anna',
    errors: {
      AUTH_FAILED:
        'Nextcloud refused the user name or the password. Use your user name there, not always your address, and an app password.',
    },
  },
};
