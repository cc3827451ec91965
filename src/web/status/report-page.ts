import { isFinal } from '../../jobs/job-state.js';
import type { Report, ReportItem } from '../../reports/contract.js';
import { isOfFolder } from '../../reports/words.js';
import { kindTotals, segmentsOf, settledOf } from './job-page.js';

export type OutcomeFilter = 'skipped' | 'failed' | null;

export function reportFilter(value: unknown): OutcomeFilter {
  return value === 'skipped' || value === 'failed' ? value : null;
}

/** @param items one page of what did not arrive */
export function reportPage(report: Report, items: readonly ReportItem[], outcome: OutcomeFilter, path: string) {
  const { job, counts } = report;
  return {
    job,
    path,
    counts,
    finished: isFinal(job.state),
    // Never hidden: what a stopped migration did not come to is shown as a term of its own.
    open: Math.max(0, counts.found - settledOf(counts)),
    segments: segmentsOf(counts),
    folders: report.folders.map((folder) => ({
      ...folder,
      renamed: folder.destination !== null && folder.destination !== folder.path,
    })),
    kinds: kindTotals(report.folders),
    items,
    anyMissing: counts.skipped + counts.failed > 0,
    outcome: outcome ?? '',
    changes: report.changes.map((change) => ({ ...change, counted: !isOfFolder(change.code) })),
  };
}
