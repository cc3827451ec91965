/**
 * Every kind of IMAP server that mail is tried from and to, each with the same few questions.
 *
 *     const kinds = await serverKinds();
 *     for (const kind of kinds) onServer(kind, (server) => it(...));     // one that cannot be had is skipped, with the reason
 */
import { describe, it } from '@jest/globals';
import { startCourier } from './courier.js';
import { startCyrus } from './cyrus.js';
import { accountOn } from './dovecot.js';
import { privateDovecot } from './private.js';
import type { MailServer } from './mailbox-view.js';

export * from './mailbox-view.js';

export type Kind = { readonly name: string } & ({ readonly server: MailServer } | { readonly missing: string });

/** Starts them all. For the top of a spec: what is there must be known before its tests are. */
export async function serverKinds(): Promise<Kind[]> {
  const [mdbox, maildir, cyrus, courier] = await Promise.all([
    privateDovecot({ format: 'mdbox' }),
    privateDovecot({ format: 'maildir', prefix: 'INBOX.', separator: '.' }),
    startCyrus(),
    startCourier(),
  ]);
  const kind = (name: string, got: string | Omit<MailServer, 'name'>): Kind =>
    typeof got === 'string' ? { name, missing: got } : { name, server: { ...got, name } };
  const slash = { prefix: '', separator: '/' };
  const inbox = { prefix: 'INBOX.', separator: '.' };
  return [
    kind('Dovecot', { ...slash, account: async () => accountOn(mdbox) }),
    kind('Dovecot with INBOX.', { ...inbox, account: async () => accountOn(maildir) }),
    kind('Cyrus', typeof cyrus === 'string' ? cyrus : { ...slash, account: () => cyrus.account() }),
    kind('Courier', typeof courier === 'string' ? courier : { ...inbox, account: async () => courier.account() }),
  ];
}

export function onServer(kind: Kind, tests: (server: MailServer) => void): void {
  describe(kind.name, () => {
    if ('server' in kind) tests(kind.server);
    else it.skip(`cannot be had here: ${kind.missing}`, () => undefined);
  });
}
