import { imaps, mailAnd, type Provider } from './provider.js';

/** Exchange Online: refuses every password since basic authentication was switched off. */
export const microsoft365: Provider = {
  id: 'microsoft365',
  name: 'Microsoft 365',
  comes: 'imap-soon-oauth',
  servers: [imaps('outlook.office365.com')],
  asksForServer: false,
  username: 'address',
  gives: mailAnd({}),
  limits: { maxConnections: 4, maxMessageBytes: 150 * 1024 * 1024 },
  matches: { domains: [], mx: ['mail.protection.outlook.com', 'mx.microsoft'] },
  // The last two: Autodiscover of its mailboxes.
  hosts: [
    ...['outlook.office365.com', 'outlook.office.com'],
    ...['autodiscover-s.outlook.com', 'autodiscover.outlook.com'],
  ],
  refusalMeans: 'AUTH_NEEDS_OAUTH',
  words: {
    summary: 'Company mail at Microsoft (Office 365, Exchange Online).',
    unavailable:
      'Microsoft no longer lets other programs sign in with a password, and signing in through Microsoft is not built in here yet. The other way, Exchange Web Services, is switched off there since 1 October 2026, unless an administrator opened it for single programs, and is removed for everybody on 1 April 2027. Mailboxes at Microsoft 365 cannot be moved for now.',
    placeholder: 'anna@company.example',
    errors: {
      AUTH_NEEDS_OAUTH: 'Microsoft refuses passwords from other programs. This mailbox cannot be moved for now.',
    },
  },
};
