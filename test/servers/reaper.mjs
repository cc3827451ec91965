// Ends the run's servers, private ones too, when jest dies without its teardown (Ctrl-C, SIGKILL): the end of stdin is the sign.
//   node reaper.mjs FOLDER
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const folder = process.argv[2];
process.stdin.resume();
await new Promise((done) => process.stdin.once('end', done).once('error', done));

/** What works in the folder or names it on its command line. */
const ours = () =>
  readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    return [() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), () => readlinkSync(`/proc/${pid}/cwd`)].some((look) => {
      try {
        return look().includes(folder);
      } catch {
        return false;
      }
    });
  });
const signal = (name) => {
  for (const pid of ours()) {
    try {
      process.kill(Number(pid), name);
    } catch {
      // It was faster.
    }
  }
};
signal('SIGTERM');
for (let waited = 0; waited < 50 && ours().length; waited++) await sleep(100);
signal('SIGKILL');
rmSync(folder, { recursive: true, force: true });
