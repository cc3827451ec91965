// Reads the one message of a folder as a worker does, as it was built, and prints how much memory that took. Without the
// compiler that other tests are run by: it would be measured, too. Arguments: URL, user, password.
import console from 'node:console';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { EwsSource } from '../../../dist/src/sources/ews/ews-source.js';
import { BodyStaging } from '../../../dist/src/transfer/staging.js';

const [url, user, password] = process.argv.slice(2);
const { signal } = new globalThis.AbortController();
const source = new EwsSource({
  url: new URL(url),
  login: async () => ({ kind: 'password', user, password }),
  mailbox: { by: 'own' },
  policy: { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs: 10_000 },
  owner: user,
});
await source.connect(signal);
const folder = (await source.listFolders(signal)).find(({ role }) => role === 'inbox');
const items = [];
for await (const page of source.scan(folder, null, signal)) items.push(...page.items);
const before = process.memoryUsage.rss();
for await (const outcome of source.read(folder, items, new BodyStaging(), signal)) {
  if (outcome.is !== 'staged') throw new Error(outcome.is);
  const { size, digest } = outcome.item.body;
  await outcome.item.body.release();
  console.log(JSON.stringify({ size, digest, before, peak: peak() }));
}
await source.close();

/** Of this program alone (proc(5)): what getrusage() calls the largest begins with that of whoever started it. */
function peak() {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(kilobytes) * 1024;
}
