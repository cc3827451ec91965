import type { EntityManager } from 'typeorm';
import type { JobAction } from '../jobs/job.js';
import type { BatchState } from './batch.js';

/** What is to be done about one row. */
export interface Wanted {
  readonly row: number;
  readonly job: string;
  readonly want: JobAction;
}

/** Somebody wants something else of the batch, or of this row, since it was looked at: nothing was done. */
export class Overtaken extends Error {}

/** Wants after which somebody's mailbox is dialled: only in a batch that is under way. */
export const GOES_ON: readonly JobAction[] = ['start', 'resume', 'retry', 'sync'];

/**
 * Takes a mark off, in the transaction that does what it says. Whoever pauses or cancels the batch at this moment waits for
 * its end, and finds what was started; or he was faster. @throws Overtaken
 */
export async function takeMark(manager: EntityManager, batch: string, { row, want }: Wanted): Promise<void> {
  const [now]: { state: BatchState }[] = await manager.query(
    `SELECT state FROM mailferry.batches WHERE id = $1 FOR SHARE`,
    [batch],
  );
  if (now === undefined || (GOES_ON.includes(want) && now.state !== 'active')) throw new Overtaken();
  const [, taken]: [unknown[], number] = await manager.query(
    `UPDATE mailferry.batch_rows SET want = NULL, code = NULL, message = NULL, held = (held OR $3 = 'pause')
     WHERE batch = $1 AND row = $2 AND want = $3`,
    [batch, row, want],
  );
  if (taken !== 1) throw new Overtaken();
}
