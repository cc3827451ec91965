/** Reads the one message of a folder and prints how much memory that took. Arguments: URL, user, password. */
import { EwsSource } from '../../../src/sources/ews/ews-source.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { POLICY } from '../../contracts/closed-network.js';
import { collect } from '../../contracts/messages.js';

const [url = '', user = '', password = ''] = process.argv.slice(2);
const { signal } = new AbortController();
const source = new EwsSource({
  url: new URL(url),
  login: async () => ({ kind: 'password', user, password }),
  mailbox: { by: 'own' },
  policy: POLICY,
  owner: user,
});
await source.connect(signal);
const folder = (await source.listFolders(signal)).find(({ role }) => role === 'inbox')!;
const items = (await collect(source.scan(folder, null, signal))).flatMap((page) => page.items);
const before = process.memoryUsage().rss;
const staging = new BodyStaging();
for await (const outcome of source.read(folder, items, staging, signal)) {
  if (outcome.is !== 'staged') throw new Error(outcome.is);
  const { size, digest } = outcome.item.body;
  await outcome.item.body.release();
  // Kilobytes.
  console.log(JSON.stringify({ size, digest, before, peak: process.resourceUsage().maxRSS * 1024 }));
}
await source.close();
