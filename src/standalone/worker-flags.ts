/**
 * How node is started for a worker. What passes through it is garbage a moment later, so the young generation need not grow to
 * its usual 16 MB, three times over; and what little of it gets old is collected before the heap has doubled. Without them
 * the process is 60 to 80 MB larger. `start:worker` in package.json, examples/compose and
 * docs/operating.md say the same.
 */
export const WORKER_FLAGS: readonly string[] = [
  '--max-semi-space-size=4',
  '--initial-old-space-size=80',
  '--heap-growing-percent=40',
];
