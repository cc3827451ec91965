import { classifyAuthError } from '../../src/providers/auth-error.js';

const GMAIL = 'imap.gmail.com';
const HOSTER = 'mail.hoster.example';

it.each([
  [GMAIL, '[ALERT] Application-specific password required: https://support.google.com/...', 'AUTH_NEEDS_APP_PASSWORD'],
  [GMAIL, '[AUTHENTICATIONFAILED] Invalid credentials (Failure)', 'AUTH_NEEDS_APP_PASSWORD'],
  [GMAIL, '[WEBALERT https://accounts.google.com/...] Web login required.', 'AUTH_NEEDS_APP_PASSWORD'],
  [GMAIL, '[ALERT] Please log in via your web browser: https://...', 'AUTH_NEEDS_APP_PASSWORD'],
  [GMAIL, 'Your account is not enabled for IMAP use. Please visit your Gmail settings page', 'IMAP_DISABLED'],
  ['export.imap.mail.yahoo.com', '[AUTHENTICATIONFAILED] LOGIN Invalid credentials', 'AUTH_NEEDS_APP_PASSWORD'],
  ['imap.mail.me.com', '[AUTHENTICATIONFAILED] Authentication Failed', 'AUTH_NEEDS_APP_PASSWORD'],
  ['outlook.office365.com', 'Basic authentication is disabled.', 'AUTH_NEEDS_OAUTH'],
  ['outlook.office365.com', 'LOGIN failed.', 'AUTH_NEEDS_OAUTH'],
  ['outlook.office365.com', 'AUTHENTICATE failed.', 'AUTH_NEEDS_OAUTH'],
  ['imap.gmx.net', 'LOGIN failed', 'IMAP_DISABLED'],
  ['imap.web.de', '[AUTHENTICATIONFAILED] authentication failed', 'IMAP_DISABLED'],
  [HOSTER, '[AUTHENTICATIONFAILED] Authentication failed.', 'AUTH_FAILED'],
  [HOSTER, 'Login failed.', 'AUTH_FAILED'],
  [HOSTER, 'user@zimbra.example account does not have IMAP access enabled', 'IMAP_DISABLED'],
  [HOSTER, 'IMAP access is disabled for your account', 'IMAP_DISABLED'],
  [HOSTER, 'Basic authentication is disabled.', 'AUTH_NEEDS_OAUTH'],
  [HOSTER, 'User is authenticated but not connected.', 'AUTH_FAILED'],
  [HOSTER, 'Please use an app password', 'AUTH_NEEDS_APP_PASSWORD'],
  [HOSTER, 'account is disabled by the administrator', 'AUTH_FAILED'],
  [HOSTER, '', 'AUTH_FAILED'],
])('%s refusing with "%s" means %s', (host, text, means) => {
  expect(classifyAuthError({ host, text })).toBe(means);
});

it('the server that answered counts for more than the provider that was chosen', () => {
  expect(classifyAuthError({ provider: 'imap', host: 'imap.gmx.net', text: 'LOGIN failed' })).toBe('IMAP_DISABLED');
  expect(classifyAuthError({ provider: 'fastmail', host: HOSTER, text: 'no' })).toBe('AUTH_NEEDS_APP_PASSWORD');
  expect(classifyAuthError({ provider: 'nonsense', host: HOSTER, text: 'no' })).toBe('AUTH_FAILED');
});

it('an endless answer is read in no time', () => {
  const text = 'imap '.repeat(1_000_000);
  expect(classifyAuthError({ host: HOSTER, text })).toBe('AUTH_FAILED');
});
