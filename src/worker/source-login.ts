import type { SourceSecret } from '../jobs/contract.js';
import type { SourceSettings } from '../jobs/job.js';
import { compositeLogin } from '../mailbox/composite-login.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { reasonFor } from '../jobs/messages.js';
import type { EwsLogin, EwsMailbox } from '../protocols/ews/login.js';
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

/** Who signs in at an Exchange server: the person, or an administrator who may open the person's mailbox. */
export function ewsLogin({ username, login }: SourceSettings, { password = '', token }: SourceSecret): EwsLogin {
  return token === undefined
    ? { kind: 'password', user: login?.username ?? username, password }
    : { kind: 'token', token };
}

/** @throws TransferError SOURCE_UNSUPPORTED for a way that only IMAP has */
export function ewsMailbox({ username, login }: SourceSettings): EwsMailbox {
  switch (login?.method) {
    case undefined:
      return { by: 'own' };
    case 'impersonation':
      return { by: 'impersonation', address: username };
    case 'delegate':
      return { by: 'delegation', address: username };
    default:
      throw new TransferError(reasonFor('SOURCE_UNSUPPORTED').message, {
        side: 'source',
        scope: 'job',
        retry: 'never',
        code: 'SOURCE_UNSUPPORTED',
      });
  }
}
