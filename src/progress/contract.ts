import type { Observable } from 'rxjs';
import type { Visibility } from '../jobs/contract.js';
import type { JobView } from '../jobs/job.js';

/** `snapshot` first and after every reconnect, then `progress` and `state`; `end` when the job is final. */
export interface JobEventMessage {
  readonly type: 'snapshot' | 'progress' | 'state' | 'end';
  readonly job: JobView;
}

/** Implemented by ProgressReader (src/progress/progress-reader.ts). */
export interface ProgressApi {
  /** Null: not visible. Completes after `end`. Slow readers get the newest state, never a backlog. */
  watch(visibility: Visibility, id: string): Promise<Observable<JobEventMessage> | null>;
}
