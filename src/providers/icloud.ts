import { everything, imaps, MEBIBYTE, type Provider } from './provider.js';

export const icloud: Provider = {
  id: 'icloud',
  name: 'iCloud',
  comes: 'imap',
  servers: [imaps('imap.mail.me.com')],
  asksForServer: false,
  // Apple's own page asks for the part before the @; the server takes the whole iCloud address too.
  username: 'any',
  dav: { caldav: 'https://caldav.icloud.com/', carddav: 'https://contacts.icloud.com/' },
  gives: everything({ tasks: 'not-offered' }),
  limits: { maxConnections: 2, maxMessageBytes: 20 * MEBIBYTE },
  matches: { domains: ['icloud.com', 'me.com', 'mac.com'], mx: ['mail.icloud.com'] },
  hosts: ['mail.me.com', 'mail.icloud.com'],
  refusalMeans: 'AUTH_NEEDS_APP_PASSWORD',
  help: 'https://support.apple.com/102654',
  words: {
    summary: 'Mail at Apple: iCloud.com, Me.com, Mac.com.',
    first: 'Make an app-specific password. Apple refuses your usual password from other programs.',
    steps: [
      'Sign in at account.apple.com.',
      'Open "Sign-In and Security", then "App-Specific Passwords".',
      'Make one and copy it into the password field here.',
    ],
    note: 'With an address of your own domain, the user name is your iCloud address.',
    placeholder: 'anna@icloud.com',
    errors: {
      AUTH_NEEDS_APP_PASSWORD:
        'Apple refused the user name or the password. Use an app-specific password, and your iCloud address as user name.',
    },
  },
};
