import { ledgerContract } from '../contracts/ledger.contract.js';
import { memoryHarness } from './memory-harness.js';

ledgerContract('MemoryLedger', memoryHarness);
