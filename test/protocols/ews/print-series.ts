/** Prints the series of a sample mailbox as iCalendar: for being run under several time zones. */
import { BodyStaging } from '../../../src/transfer/staging.js';
import { bytesOf, collect } from '../../contracts/messages.js';
import { fillSample } from '../../servers/ews/sample.js';
import { ewsGround } from '../../sources/ews/ews-mailbox.js';

const { server, box, source } = await ewsGround();
fillSample(box, { messages: 0, events: 12, series: 6, contacts: 0, tasks: 0, notes: 0 });
const reader = source();
const { signal } = new AbortController();
const folder = (await reader.listFolders(signal)).find(({ kind }) => kind === 'calendars')!;
const items = (await collect(reader.scan(folder, null, signal))).flatMap((page) => page.items);
for await (const outcome of reader.read(folder, items, new BodyStaging(), signal))
  if (outcome.is === 'staged') console.log((await bytesOf(outcome.item.body)).toString());
await reader.close();
await server.close();
