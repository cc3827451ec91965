import { everything, imaps, MEBIBYTE, type Provider } from './provider.js';

export const fastmail: Provider = {
  id: 'fastmail',
  name: 'Fastmail',
  comes: 'imap',
  servers: [imaps('imap.fastmail.com')],
  asksForServer: false,
  username: 'address',
  dav: { caldav: 'https://caldav.fastmail.com/', carddav: 'https://carddav.fastmail.com/' },
  gives: everything({ tasks: 'not-offered' }),
  limits: { maxConnections: 4, maxMessageBytes: 70 * MEBIBYTE },
  matches: { domains: ['fastmail.com', 'fastmail.fm', 'fastmail.net', 'sent.com'], mx: ['messagingengine.com'] },
  hosts: ['fastmail.com', 'messagingengine.com'],
  refusalMeans: 'AUTH_NEEDS_APP_PASSWORD',
  help: 'https://www.fastmail.help/hc/en-us/articles/360058752854',
  words: {
    summary: 'Mail at Fastmail, with an address of Fastmail or of your own domain.',
    first: 'Make an app password. Fastmail refuses your usual password from other programs.',
    steps: [
      'Sign in to Fastmail and open "Settings", then "Privacy & Security".',
      'Open the app passwords and make a new one with access to mail (IMAP).',
      'Copy the password Fastmail shows into the password field here.',
    ],
    placeholder: 'anna@fastmail.com',
    errors: {
      AUTH_NEEDS_APP_PASSWORD:
        'Fastmail refused the password. Use an app password with access to mail, and your main Fastmail address as user name. The basic plan has no IMAP.',
    },
  },
};
