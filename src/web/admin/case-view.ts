import type { JobView } from '../../jobs/job.js';
import { isOfFiles } from '../../jobs/settings.js';
import type { SupportCase } from '../../support/contract.js';
import { BYTES_PER_MEGABYTE, folderLines } from '../wizard/wizard-form.js';

/** States in which settings may be changed and items left out: nothing is under way. */
const AT_REST: readonly string[] = ['waiting', 'paused', 'needs-action', 'completed', 'failed'];

/** Key of the sentence for an action of the audit trail. */
export function actionKey(action: string): string {
  return `support.audit.actions.${action.replaceAll('.', '_')}`;
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.split('\n');
}

/**
 * What support sees of one migration below what everybody sees.
 * @param words the sentence of an action of the audit trail; null where there is none.
 */
export function caseView(found: SupportCase, job: JobView, words: (action: string) => string | null) {
  const atRest = AT_REST.includes(job.state);
  const nothingYet = job.progress.copied + job.progress.alreadyThere === 0;
  return {
    ...found,
    id: job.id,
    // Text of a person: its lines are kept, whatever else is invisible is shown as such.
    notes: found.notes.map((note) => ({ ...note, lines: note.text.split(/\r?\n/).filter((line) => line !== '') })),
    events: found.events.map((event) => ({
      ...event,
      words: event.kind === 'action' ? words(event.what) : null,
      isRun: event.kind !== 'action',
      began: event.kind === 'run-began',
      runKey: `job.runKind.${event.what}`,
      stateKey: `job.runState.${event.state ?? ''}`,
    })),
    logs: found.logs.map(({ at, runKind, source, destination }) => ({
      at,
      runKey: `job.runKind.${runKind}`,
      sides: [
        { key: 'support.case.logSource', lines: linesOf(source) },
        { key: 'support.case.logDestination', lines: linesOf(destination) },
      ].filter(({ lines }) => lines.length > 0),
    })),
    anyFailed: found.groups.some(({ outcome }) => outcome === 'failed'),
    atRest,
    // Nobody has a password for files.
    mayAsk: atRest && job.source.login === undefined && !isOfFiles(job.source),
    isFiles: isOfFiles(job.source),
    // An administrator of the old server opens it, with the whole batch.
    batchLogin: job.source.login !== undefined,
    // Another server would be another account to the ledger: what was copied from the first one would be copied again.
    hostOpen: atRest && nothingYet,
    settings: {
      host: job.source.host,
      port: job.source.port,
      securities: (['tls', 'starttls', 'none'] as const).map((value) => ({
        value,
        selected: value === job.source.security,
      })),
      exclude: folderLines(job.filters.excludeFolders ?? []),
      maxMegabytes: job.filters.maxItemBytes === undefined ? '' : job.filters.maxItemBytes / BYTES_PER_MEGABYTE,
    },
    then: job.actions.includes('resume') ? 'resume' : job.actions.includes('retry') ? 'retry' : null,
  };
}
