import { ledgerContract } from '../contracts/ledger.contract.js';
import { postgresHarness } from './postgres-harness.js';

ledgerContract('PostgresLedger', postgresHarness);
