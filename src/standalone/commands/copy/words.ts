import type { EndEvent, NotArrived, PlanEvent } from './events.js';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

export function size(bytes: number): string {
  const step = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const amount = bytes / 1000 ** step;
  return `${step === 0 ? Math.round(amount) : amount.toFixed(amount < 100 ? 1 : 0)} ${UNITS[step]}`;
}

/** 42 s, 3 min, 2 h 10 min. */
export function span(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const TITLES: Readonly<Record<EndEvent['outcome'], string>> = {
  complete: 'Complete',
  incomplete: 'Done, but not everything arrived',
  failed: 'Failed',
  'needs-action': 'Something must be done first',
  interrupted: 'Interrupted: run the same command again and it goes on',
  cancelled: 'Cancelled',
};

/** The report at the end. The equation has no remainder. */
export function endText(end: EndEvent): string {
  const { found, copied, alreadyThere, skipped, failed, bytes, seconds, reason } = end;
  return [
    `${TITLES[end.outcome]}.`,
    ...(reason === undefined ? [] : [`${reason.message} ${reason.action ?? ''}`.trim() + ` (${reason.code})`]),
    `${found} found = ${copied} copied + ${alreadyThere} already there + ${skipped} skipped + ${failed} failed; ` +
      `${size(bytes)} in ${span(seconds)}`,
    ...end.notArrived.flatMap(notArrivedText),
    ...(end.changes.length === 0 ? [] : ['Arrived in another form, or worth knowing:']),
    ...end.changes.map(({ items, folder, message, code }) =>
      printable(`  ${items} x ${folder === null ? '' : `${folder}: `}${message} (${code})`),
    ),
  ].join('\n');
}

function notArrivedText({ outcome, code, message, items, examples }: NotArrived): string[] {
  const more = items - examples.length;
  return [
    `${outcome === 'failed' ? 'Failed' : 'Skipped'}, ${items}: ${message} (${code})`,
    ...examples.map(({ folder, subject, date, size: bytes }) =>
      printable(`  ${folder}  ${date?.slice(0, 10) ?? '?'}  ${size(bytes)}  ${subject}`),
    ),
    ...(more > 0 && examples.length > 0 ? [`  and ${more} more`] : []),
  ];
}

export function planText({ from, to, plan }: PlanEvent): string {
  const width = Math.min(60, Math.max(0, ...plan.folders.map((folder) => folder.from.length)));
  const { quota } = plan;
  return [
    `${from} -> ${to}: ${plan.totalItems} messages, ${size(plan.totalBytes)}. Nothing was copied.`,
    ...plan.folders.map(({ from: name, to: path, exists, changed }) =>
      printable(`  ${name.padEnd(width)}  ->  ${path}${exists ? '' : '  (new)'}${changed ? `  (${changed})` : ''}`),
    ),
    ...plan.leftOut.map(({ path, message }) => printable(`  left out: ${path}: ${message}`)),
    ...(plan.existingItems ? [`The new mailbox holds ${plan.existingItems} messages already.`] : []),
    ...(plan.tooLarge
      ? [`${plan.tooLarge} messages are larger than what is taken (${size(plan.maxItemBytes ?? 0)}).`]
      : []),
    ...(quota === null
      ? []
      : [
          `The new mailbox has ${size(quota.limitBytes - quota.usedBytes)} free: ` +
            (quota.fits ? 'it fits.' : 'it does NOT fit.'),
        ]),
  ].join('\n');
}

/** Subjects and folder names are strangers' text: they must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ');
}
