import { imaps, mailAnd, type Provider } from './provider.js';

/** Runs on Yahoo's servers. */
export const aol: Provider = {
  id: 'aol',
  name: 'AOL',
  comes: 'imap',
  servers: [imaps('imap.aol.com')],
  asksForServer: false,
  username: 'address',
  gives: mailAnd({ tasks: 'not-offered', notes: 'not-offered' }),
  limits: { maxConnections: 1, messagesPerFolder: 10_000 },
  // Its MX are Yahoo's, so only the domain tells.
  matches: { domains: ['aol.com', 'aol.de', 'aol.co.uk', 'aol.fr', 'aim.com', 'netscape.net', 'verizon.net'], mx: [] },
  hosts: ['imap.aol.com'],
  refusalMeans: 'AUTH_NEEDS_APP_PASSWORD',
  help: 'https://help.aol.com/articles/Create-and-manage-app-password',
  words: {
    summary: 'Mail at AOL or AIM.',
    first: 'Make an app password. AOL refuses your usual password from other programs.',
    steps: [
      'Sign in to AOL and open your account\'s "Security" page.',
      'Choose "Generate app password", give it a name, and generate it.',
      'Copy the password AOL shows into the password field here.',
    ],
    note: 'AOL shows other programs at most 10,000 messages of a folder. Split a larger folder at AOL first.',
    placeholder: 'anna@aol.com',
    errors: {
      AUTH_NEEDS_APP_PASSWORD: 'AOL refused the password. Use an app password, not the one you sign in to AOL with.',
    },
  },
};
