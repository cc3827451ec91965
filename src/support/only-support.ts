import { JobError, type Visibility } from '../jobs/contract.js';
import { wordsFor } from '../jobs/messages.js';

/** The guard has asked already; this holds if a new way in ever forgets it. @throws JobError FORBIDDEN */
export function onlySupport({ all }: Visibility): void {
  if (!all) throw new JobError('FORBIDDEN', wordsFor('FORBIDDEN').message);
}
