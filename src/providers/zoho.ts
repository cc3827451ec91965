import { everything, imaps, type Provider } from './provider.js';

/** Each region has servers of its own; `imappro` serves addresses of the customer's own domain. */
export const zoho: Provider = {
  id: 'zoho',
  name: 'Zoho',
  comes: 'imap',
  servers: [
    imaps('imap.zoho.eu', { domains: ['zoho.eu', 'zohomail.eu'] }),
    imaps('imap.zoho.in', { domains: ['zoho.in', 'zohomail.in'] }),
    imaps('imap.zoho.com', { domains: ['zoho.com', 'zohomail.com'] }),
    imaps('imappro.zoho.eu', { mx: ['zoho.eu'] }),
    imaps('imappro.zoho.in', { mx: ['zoho.in'] }),
    imaps('imappro.zoho.com.au', { mx: ['zoho.com.au'] }),
    imaps('imappro.zoho.com'),
  ],
  asksForServer: true,
  username: 'address',
  dav: { caldav: 'https://calendar.zoho.com/', carddav: 'https://contacts.zoho.com/' },
  gives: everything(),
  limits: { maxConnections: 2 },
  matches: {
    domains: ['zoho.com', 'zohomail.com', 'zoho.eu', 'zohomail.eu', 'zoho.in', 'zohomail.in'],
    mx: ['zoho.com', 'zoho.eu', 'zoho.in', 'zoho.com.au'],
  },
  hosts: ['zoho.com', 'zoho.eu', 'zoho.in', 'zoho.com.au'],
  refusalMeans: 'AUTH_FAILED',
  help: 'https://www.zoho.com/mail/help/imap-access.html',
  words: {
    summary: 'Mail at Zoho, with an address of Zoho or of your own domain.',
    first: 'Switch on IMAP in the settings of Zoho Mail.',
    steps: [
      'Sign in to Zoho Mail and open "Settings", then "Mail Accounts".',
      'Choose your address, and under "IMAP" tick "IMAP Access".',
      'With two-factor authentication on, also make an application-specific password and use it here.',
    ],
    note: 'The name of the server depends on where your account lies: it may end in .com, .eu, .in or .com.au.',
    placeholder: 'anna@company.example',
    errors: {
      AUTH_FAILED:
        'Zoho refused the sign-in. Check that IMAP is switched on there, that the server is the one of your region, and, with two-factor authentication on, that you use an application-specific password.',
    },
  },
};
