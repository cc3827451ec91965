import { destinationContract } from '../contracts/destination.contract.js';
import { accountOn, hoster } from '../servers/dovecot.js';
import { privateDovecot, stopPrivateServers } from '../servers/private.js';
import { destinationServerOn } from './imap-mailbox.js';

destinationContract('HostedMailbox on Dovecot', async () => {
  const account = hoster.account();
  return destinationServerOn(account, () => hoster.removeAccount(account));
});

describe('with a namespace prefix', () => {
  let server: Awaited<ReturnType<typeof privateDovecot>>;
  beforeAll(async () => {
    server = await privateDovecot({ prefix: 'INBOX.', separator: '.' });
  });
  afterAll(stopPrivateServers);

  destinationContract('HostedMailbox on Dovecot with INBOX. and dots', async () =>
    destinationServerOn(accountOn(server), () => undefined, { prefix: 'INBOX.', separator: '.' }),
  );
});
