import type { SourceSecret } from '../jobs/contract.js';
import type { SourceSettings } from '../jobs/job.js';
import { compositeLogin } from '../mailbox/composite-login.js';
import type { ImapLogin } from '../protocols/imap/open.js';

/** How the old account is signed in to: by its own password or token, or by an administrator's. */
export function imapLogin({ username, login }: SourceSettings, { password = '', token }: SourceSecret): ImapLogin {
  if (login?.method === 'authzid') return { kind: 'authzid', user: login.username, password, authzid: username };
  if (login?.method === 'composite')
    return {
      kind: 'password',
      user: compositeLogin(login.template ?? '{user}*{admin}', username, login.username),
      password,
    };
  return token === undefined
    ? { kind: 'password', user: username, password }
    : { kind: 'token', user: username, token };
}
