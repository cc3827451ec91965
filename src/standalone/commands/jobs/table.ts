import type { JobView } from '../../../jobs/job.js';
import { printable, size } from '../copy/words.js';

const HEAD = ['id', 'state', 'mailbox', 'from', 'found', 'arrived', 'failed', 'reason', 'changed'] as const;

/** One line a job, columns as wide as what stands in them. */
export function table(jobs: readonly JobView[]): string {
  const rows = jobs.map((job) => [
    job.id,
    job.outcome === 'incomplete' ? 'incomplete' : job.state,
    job.mailbox,
    whence(job.source),
    String(job.progress.found),
    String(job.progress.copied + job.progress.alreadyThere),
    String(job.progress.failed),
    job.reason?.code ?? '',
    (job.finishedAt ?? job.startedAt ?? job.createdAt).slice(0, 16).replace('T', ' '),
  ]);
  const lines = [[...HEAD], ...rows].map((row) => row.map(printable));
  const widths = HEAD.map((_, column) => Math.max(...lines.map((row) => row[column]!.length)));
  return lines
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Everything about one job that fits on a screen. */
export function sheet(job: JobView): string {
  const { source, progress: p, reason } = job;
  return [
    `${job.id}  ${job.state}${job.outcome === null ? '' : `, ${job.outcome}`}`,
    `from      ${from(source)}`,
    `to        ${job.mailbox}`,
    ...(reason === undefined ? [] : [`reason    ${reason.message} ${reason.action ?? ''} (${reason.code})`]),
    ...(job.until === undefined ? [] : [`goes on   ${job.until}`]),
    `items     ${p.found} found = ${p.copied} copied + ${p.alreadyThere} already there + ${p.skipped} skipped + ${p.failed} failed` +
      (p.found === p.copied + p.alreadyThere + p.skipped + p.failed ? '' : ' + the rest to come'),
    `bytes     ${size(p.bytes)} of ${size(p.totalBytes)}${p.rate === null ? '' : ` at ${size(p.rate)}/s`}`,
    `made      ${job.createdAt}${job.startedAt === null ? '' : `, started ${job.startedAt}`}${job.finishedAt === null ? '' : `, ended ${job.finishedAt}`}`,
    `can       ${job.actions.join(', ') || 'nothing'}`,
    ...job.folders.map(
      ({ path, destination, found, copied, alreadyThere, skipped, failed }) =>
        `  ${path} -> ${destination ?? '?'}: ${found} = ${copied} + ${alreadyThere} + ${skipped} + ${failed}`,
    ),
    ...job.runs.map(
      ({ kind, state, startedAt, reason: why }) =>
        `  run ${startedAt ?? ''} ${kind}: ${state}${why === undefined ? '' : ` (${why.code})`}`,
    ),
  ]
    .map(printable)
    .join('\n');
}

/** Files have no server, and a draft may not have one yet. */
function whence({ username, host }: JobView['source']): string {
  return host === '' ? username : `${username}@${host}`;
}

function from({ username, host, port, security }: JobView['source']): string {
  return host === '' ? username : `${username} at ${host}:${port} (${security})`;
}
