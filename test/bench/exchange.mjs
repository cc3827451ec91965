// How fast messages are read from Exchange over a line with latency: our source beside a loop of GetItem, one by one, as
// a script on the same library would do it. npm run bench:exchange [-- messages latency]
import { register } from 'node:module';

register('../faults/typescript-hooks.mjs', import.meta.url);
const { startEws } = await import('../servers/ews/server.ts');
const { fillSample } = await import('../servers/ews/sample.ts');
const { EwsSource } = await import('../../src/sources/ews/ews-source.ts');
const { BodyStaging } = await import('../../src/transfer/staging.ts');
const { default: ews } = await import('ews-javascript-api');

const [messages = 1_000, latencyMs = 30] = process.argv.slice(2).map(Number);
const server = await startEws({ latencyMs });
const box = server.mailbox('anna@old.test', 'secret');
fillSample(box, { messages, events: 0, series: 0, contacts: 0, tasks: 0, notes: 0 });
const signal = new globalThis.AbortController().signal;
const policy = { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs: 10_000 };

async function ours() {
  const source = new EwsSource({
    url: new URL(server.url),
    login: async () => ({ kind: 'password', user: 'anna@old.test', password: 'secret' }),
    mailbox: { by: 'own' },
    policy,
    owner: 'anna@old.test',
  });
  let read = 0;
  for (const folder of await source.listFolders(signal)) {
    if (folder.kind !== 'mail' || folder.leftOut) continue;
    for await (const page of source.scan(folder, null, signal))
      for await (const outcome of source.read(folder, page.items, new BodyStaging(), signal)) {
        if (outcome.is !== 'staged') throw new Error(outcome.is);
        await outcome.item.body.release();
        read++;
      }
  }
  await source.close();
  return read;
}

async function oneByOne() {
  const service = new ews.ExchangeService(ews.ExchangeVersion.Exchange2010_SP2);
  service.Url = new ews.Uri(server.url);
  service.Credentials = new ews.WebCredentials('anna@old.test', 'secret');
  const view = new ews.FolderView(1_000);
  view.Traversal = ews.FolderTraversal.Deep;
  const mime = new ews.PropertySet(ews.BasePropertySet.IdOnly, [ews.ItemSchema.MimeContent]);
  let read = 0;
  for (const folder of (await service.FindFolders(ews.WellKnownFolderName.MsgFolderRoot, view)).Folders) {
    for (let offset = 0; ;) {
      const found = await service.FindItems(folder.Id, new ews.ItemView(1_000, offset));
      for (const item of found.Items) {
        const message = await ews.Item.Bind(service, item.Id, mime);
        if (message.MimeContent.Content.length > 0) read++;
      }
      if (!found.MoreAvailable) break;
      offset = found.NextPageOffset;
    }
  }
  return read;
}

const rates = {};
for (const [name, work] of [
  ['GetItem one by one', oneByOne],
  ['Mailferry', ours],
]) {
  const begun = globalThis.performance.now();
  const read = await work();
  const seconds = (globalThis.performance.now() - begun) / 1_000;
  if (read !== messages) throw new Error(`${name} read ${read} of ${messages}`);
  rates[name] = read / seconds;
  console.log(`${name.padEnd(20)} ${read} messages in ${seconds.toFixed(1)} s: ${rates[name].toFixed(0)} a second`);
}
console.log(
  `${(rates['Mailferry'] / rates['GetItem one by one']).toFixed(1)} times as fast at ${latencyMs} ms latency`,
);
await server.close();
