import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { LeaseTimes } from '../ledger/lease.js';
import { PostgresLedger } from '../ledger/postgres-ledger.js';

/** What is in the way now and then, after a crash: what was to be written is there already (SQLSTATE unique_violation). */
const THERE_ALREADY = '23505';

/** The ledger of a process that moves mail. It logs what it had to do step by step. */
export function openLedger(db: DataSource, times?: Partial<LeaseTimes>): PostgresLedger {
  const logger = new Logger('mailferry:ledger');
  return new PostgresLedger(db, times, {
    stepByStep: (trouble) => {
      const level = trouble.code === THERE_ALREADY ? 'debug' : 'warn';
      logger[level](`a batch was not written at once, and is now step by step: ${JSON.stringify(trouble)}`);
    },
  });
}
