// `mailferry copy` as dist/src/cli.js runs it, but with a lease of seconds instead of minutes: a test of what happens after a
// kill must not wait that long.
import 'reflect-metadata';
import { copyCommand } from '../../dist/src/standalone/commands/copy/copy.js';

const [from, to] = process.argv.slice(2);
const lease = { ttlMs: 2_000, graceMs: 500, marginMs: 300, renewMs: 400, pollMs: 100 };
process.exitCode = await copyCommand({ from, to, items: 'mail', excludeFolder: [], repair: true, json: true }, lease);
