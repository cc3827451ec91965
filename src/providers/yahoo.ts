import { imaps, mailAnd, type Provider } from './provider.js';

/** By app password, over the host Yahoo keeps for exports: the ordinary one shows 10,000 messages a folder. */
export const yahoo: Provider = {
  id: 'yahoo',
  name: 'Yahoo',
  comes: 'imap',
  servers: [imaps('export.imap.mail.yahoo.com')],
  asksForServer: false,
  username: 'address',
  gives: mailAnd({ tasks: 'not-offered', notes: 'not-offered' }),
  limits: { maxConnections: 1, messagesPerFolder: 100_000 },
  matches: {
    domains: [
      ...[
        'yahoo.com',
        'yahoo.co.uk',
        'yahoo.de',
        'yahoo.fr',
        'yahoo.it',
        'yahoo.es',
        'yahoo.ca',
        'yahoo.com.au',
        'yahoo.in',
      ],
      ...[
        'yahoo.co.in',
        'yahoo.com.br',
        'yahoo.com.mx',
        'yahoo.com.ar',
        'yahoo.ie',
        'yahoo.nl',
        'yahoo.se',
        'yahoo.dk',
      ],
      ...['yahoo.no', 'yahoo.gr', 'yahoo.pl', 'yahoo.ro', 'ymail.com', 'rocketmail.com', 'myyahoo.com'],
    ],
    mx: ['yahoodns.net'],
  },
  hosts: ['mail.yahoo.com'],
  refusalMeans: 'AUTH_NEEDS_APP_PASSWORD',
  help: 'https://help.yahoo.com/kb/SLN15241.html',
  words: {
    summary: 'Mail at Yahoo, Ymail or Rocketmail.',
    first: 'Make an app password. Yahoo refuses your usual password from other programs.',
    steps: [
      'Sign in to Yahoo and open your account\'s "Security" page.',
      'Choose "Generate app password", give it a name, and generate it.',
      'Copy the password Yahoo shows into the password field here.',
    ],
    note: 'Yahoo lets only one connection be used at a time, so this takes longer than at other providers.',
    placeholder: 'anna@yahoo.com',
    errors: {
      AUTH_NEEDS_APP_PASSWORD:
        'Yahoo refused the password. Use an app password, not the one you sign in to Yahoo with.',
    },
  },
};
