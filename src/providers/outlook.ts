import { imaps, mailAnd, type Provider } from './provider.js';

/** Microsoft's free mailboxes: passwords are refused since 16 September 2024. */
export const outlook: Provider = {
  id: 'outlook',
  name: 'Outlook.com',
  comes: 'imap-soon-oauth',
  servers: [imaps('outlook.office365.com')],
  asksForServer: false,
  username: 'address',
  gives: mailAnd({}),
  limits: { maxConnections: 2 },
  matches: {
    domains: [
      ...[
        'outlook.com',
        'outlook.de',
        'outlook.fr',
        'outlook.es',
        'outlook.it',
        'outlook.at',
        'outlook.be',
        'outlook.dk',
      ],
      ...[
        'hotmail.com',
        'hotmail.co.uk',
        'hotmail.de',
        'hotmail.fr',
        'hotmail.it',
        'hotmail.es',
        'hotmail.nl',
        'hotmail.be',
      ],
      ...[
        'live.com',
        'live.de',
        'live.co.uk',
        'live.fr',
        'live.nl',
        'live.it',
        'live.be',
        'live.at',
        'live.se',
        'live.dk',
      ],
      ...['msn.com', 'passport.com', 'windowslive.com'],
    ],
    mx: ['olc.protection.outlook.com'],
  },
  hosts: ['imap-mail.outlook.com'],
  refusalMeans: 'AUTH_NEEDS_OAUTH',
  words: {
    summary: "Microsoft's free mailboxes: Outlook.com, Hotmail, Live, MSN.",
    unavailable:
      'Microsoft no longer lets other programs sign in with a password, and signing in through Microsoft is not built in here yet. Mailboxes at Outlook.com cannot be moved for now.',
    placeholder: 'anna@outlook.com',
    errors: {
      AUTH_NEEDS_OAUTH: 'Microsoft refuses passwords from other programs. This mailbox cannot be moved for now.',
    },
  },
};
