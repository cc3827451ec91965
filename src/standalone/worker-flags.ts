/**
 * How node is started for a worker. What passes through it is garbage a moment later: with a young generation of its usual
 * 16 MB, three times over, the process is 40 MB larger and no faster. `start:worker` in package.json, examples/compose and
 * docs/operating.md say the same.
 */
export const WORKER_FLAGS: readonly string[] = ['--max-semi-space-size=4'];
