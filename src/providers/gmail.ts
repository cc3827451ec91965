import { imaps, mailAnd, MEBIBYTE, type Provider } from './provider.js';

/** Google Mail and Google Workspace, by app password. */
export const gmail: Provider = {
  id: 'gmail',
  name: 'Gmail',
  comes: 'imap',
  servers: [imaps('imap.gmail.com')],
  asksForServer: false,
  username: 'address',
  gives: mailAnd({ notes: 'not-offered' }),
  // 15 connections and 2,500 MB a day; a little less, since the customer's devices read too.
  limits: { maxConnections: 5, bytesDownPerDay: 2_400_000_000, maxMessageBytes: 50 * MEBIBYTE },
  matches: { domains: ['gmail.com', 'googlemail.com'], mx: ['google.com', 'googlemail.com'] },
  hosts: ['gmail.com', 'googlemail.com'],
  refusalMeans: 'AUTH_NEEDS_APP_PASSWORD',
  help: 'https://support.google.com/accounts/answer/185833',
  words: {
    summary: 'Mail at Gmail or Google Workspace.',
    first: 'Make an app password. Google refuses your usual password from other programs.',
    steps: [
      'Sign in to your Google account and open "Security".',
      'Switch on 2-Step Verification if it is off: without it there are no app passwords.',
      'Open "App passwords", make one, and copy its 16 letters into the password field here.',
    ],
    note: 'Google lets about 2.5 GB be read a day. A larger mailbox goes on by itself the next day.',
    placeholder: 'anna@gmail.com',
    errors: {
      AUTH_NEEDS_APP_PASSWORD:
        'Google refused the password. Use an app password, not the one you sign in to Google with. In a company account the administrator may have to allow app passwords and IMAP.',
      IMAP_DISABLED: 'IMAP is switched off for this account. In Google Workspace the administrator can switch it on.',
    },
  },
};
