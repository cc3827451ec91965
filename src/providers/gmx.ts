import { everything, imaps, type Provider } from './provider.js';

const INTERNATIONAL = ['gmx.com', 'gmx.us', 'gmx.co.uk', 'gmx.fr', 'gmx.es'];
const WEB_DE = ['web.de', 'email.de'];

/** GMX and its sister WEB.DE: IMAP is off until the customer switches it on, and off again after long disuse. */
export const gmx: Provider = {
  id: 'gmx',
  name: 'GMX',
  comes: 'imap',
  servers: [
    imaps('imap.web.de', { domains: WEB_DE, mx: ['web.de'] }),
    imaps('imap.gmx.com', { domains: INTERNATIONAL, mx: ['gmx.com'] }),
    imaps('imap.gmx.net'),
  ],
  asksForServer: false,
  username: 'address',
  dav: { caldav: 'https://caldav.gmx.net/', carddav: 'https://carddav.gmx.net/' },
  gives: everything(),
  limits: { maxConnections: 2 },
  matches: {
    domains: ['gmx.de', 'gmx.net', 'gmx.at', 'gmx.ch', 'gmx.eu', 'gmx.info', 'gmx.org', ...INTERNATIONAL, ...WEB_DE],
    mx: ['gmx.net', 'gmx.com', 'web.de'],
  },
  hosts: ['gmx.net', 'gmx.com', 'web.de'],
  refusalMeans: 'IMAP_DISABLED',
  words: {
    summary: 'Mail at GMX or WEB.DE.',
    first: 'Allow access by POP3 and IMAP. It is off until you switch it on.',
    steps: [
      'Sign in at GMX (or WEB.DE) in the browser and open the settings of your mail.',
      'Open "POP3/IMAP Retrieval" and allow other programs to reach your account.',
      'With two-factor authentication on, also make an app-specific password and use it here.',
    ],
    placeholder: 'anna@gmx.net',
    errors: {
      IMAP_DISABLED:
        'GMX refused the sign-in. Most often access by POP3 and IMAP is switched off: GMX does so by itself after a while. Switch it on in the settings of your mail there, then try again. If it is on, check the password.',
      AUTH_NEEDS_APP_PASSWORD: 'With two-factor authentication on, GMX needs an app-specific password here.',
    },
  },
};
