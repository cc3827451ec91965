import { sourceContract } from '../../contracts/source.contract.js';
import { oldProvider } from '../../servers/dovecot.js';
import { sourceServerOn } from './dovecot-mailbox.js';

sourceContract('ImapSource on Dovecot', async () => {
  const account = oldProvider.account();
  return sourceServerOn(account, () => oldProvider.removeAccount(account));
});
