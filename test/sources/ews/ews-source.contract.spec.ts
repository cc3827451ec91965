import { sourceContract } from '../../contracts/source.contract.js';
import { startEwsMailbox } from './ews-mailbox.js';

sourceContract('Exchange, over EWS', startEwsMailbox);
