/** The traps of ews-javascript-api: each test here fails when the wrapper does not do its part. */
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ews from 'ews-javascript-api';
import { EwsFailure, toTransferError } from '../../../src/protocols/ews/failure.js';
import { findFolders } from '../../../src/protocols/ews/folders.js';
import { findItems, syncItems } from '../../../src/protocols/ews/item-list.js';
import { getItems } from '../../../src/protocols/ews/items.js';
import { askByLibrary, type Library } from '../../../src/protocols/ews/service.js';
import { EwsTransport } from '../../../src/protocols/ews/transport.js';
import { TraceRing } from '../../../src/protocols/trace.js';
import { propertiesFor } from '../../../src/sources/ews/properties.js';
import { POLICY } from '../../contracts/closed-network.js';
import { collect, message } from '../../contracts/messages.js';
import { addContact, addGroup, addMessage, addNote, addTask, folderAt } from '../../servers/ews/fill.js';
import type { Fault } from '../../servers/ews/faults.js';
import { type EwsServer, startEws } from '../../servers/ews/server.js';
import type { Mailbox } from '../../servers/ews/store.js';

const signal = new AbortController().signal;

describe('the library behind its wrapper', () => {
  let server: EwsServer;
  let box: Mailbox;
  let transport: EwsTransport;
  const strays: unknown[] = [];
  const onStray = (reason: unknown): void => void strays.push(reason);

  const open = (more: Partial<ConstructorParameters<typeof EwsTransport>[0]> = {}): EwsTransport =>
    (transport = new EwsTransport({
      url: new URL(server.url),
      login: async () => ({ kind: 'password', user: 'anna@old.test', password: 'secret' }),
      mailbox: { by: 'own' },
      policy: POLICY,
      maxConnections: 4,
      patienceMs: 0,
      ...more,
    }));
  /** The first of these requests goes wrong. */
  const once = (operation: string, fault: Fault, times = 1): void => {
    let left = times;
    server.faults = (asked) => (asked.operation === operation && left-- > 0 ? fault : null);
  };
  const sync = (id: string): Promise<unknown> => collect(syncItems(transport, id, '', signal));

  beforeEach(async () => {
    server = await startEws();
    box = server.mailbox('anna@old.test', 'secret');
    open();
    process.on('unhandledRejection', onStray);
  });
  afterEach(async () => {
    transport.close();
    await server.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', onStray);
    expect(strays.splice(0)).toEqual([]);
  });

  it('ends a request that a page with status 500 answers, and nothing is left unhandled', async () => {
    once('FindFolder', { is: 'page-500' });
    const asked = findFolders(transport, { wellKnown: 'msgfolderroot' }, 'deep', signal);
    await expect(asked).rejects.toMatchObject({ problem: 'refused', status: 500 });
  });

  it('counts the messages of a batch, and asks singly where there are fewer', async () => {
    const notes = folderAt(box, ['Notes']);
    const ids = [1, 2, 3].map((n) => addNote(box, notes, `note ${n}`).id);
    server.faults = ({ items }) => (items > 1 ? { is: 'other-items' } : null);
    await expect(getItems(transport, ids, propertiesFor('notes'), signal)).rejects.toMatchObject({
      code: 'another item',
    });
    let batches = 0;
    server.faults = ({ operation, items }) => {
      if (operation !== 'GetItem' || items === 1) return null;
      batches++;
      return { is: 'one-message', code: 'ErrorInternalServerTransientError' };
    };
    const got = await getItems(transport, ids, propertiesFor('notes'), signal);
    expect(got.map(({ id }) => id)).toEqual(ids);
    expect(got.every((one) => 'element' in one)).toBe(true);
    expect(batches).toBe(1);
  });

  it('finds every folder over short pages and more than one page can hold', async () => {
    for (let n = 0; n < 1_100; n++) box.addFolder(box.root, `Folder ${n}`);
    server.shortPages = true;
    const found = await findFolders(transport, { wellKnown: 'msgfolderroot' }, 'deep', signal);
    expect(new Set(found.map(({ id }) => id)).size).toBe(box.descendants(box.root).length);
  });

  it('gives up on a server that says nothing, though the library has no time-out', async () => {
    open({ quietMs: 300 });
    once('SyncFolderItems', { is: 'hang' });
    await expect(sync(folderAt(box, ['INBOX']).id)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it.each<[string, Fault, number]>([
    ['503 with Retry-After', { is: 'busy-503', seconds: 2 }, 2_000],
    ['a SOAP fault with BackOffMilliseconds', { is: 'busy-500', ms: 1_234 }, 1_234],
    ['200 and every message an error', { is: 'busy-200', ms: 777 }, 777],
    ['one message instead of a batch', { is: 'short-batch', ms: 555 }, 555],
  ])('tells how long a busy server wants us to wait: %s', async (_, fault, ms) => {
    once('SyncFolderItems', fault);
    const error = await sync(folderAt(box, ['INBOX']).id).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EwsFailure);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ problem: 'busy', backOffMs: ms });
    expect(toTransferError(error, { side: 'source' })).toMatchObject({ code: 'THROTTLED', retryAfterMs: ms });
  });

  it('waits as long as it was told and asks again, with all requests', async () => {
    open({ patienceMs: 5_000 });
    const [inbox, sent] = [folderAt(box, ['INBOX']), folderAt(box, ['Sent Items'])];
    once('SyncFolderItems', { is: 'busy-500', ms: 400 });
    const begun = Date.now();
    await sync(inbox.id);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(400);
    once('SyncFolderItems', { is: 'busy-503', seconds: 1 });
    // The server complains at its end when one of them came early.
    await Promise.all([sync(inbox.id), new Promise((done) => setTimeout(done, 450)).then(() => sync(sent.id))]);
  });

  it('says what was said on the wire by itself, since the trace of the library breaks its calls', async () => {
    const trace = new TraceRing();
    open({ policy: { ...POLICY, trace } });
    await sync(folderAt(box, ['INBOX']).id);
    expect(trace.text()).toMatch(/SyncFolderItems 200 \d+ ms/);
    expect(trace.text()).not.toContain('secret');
    expect(trace.text()).not.toContain('Envelope');
  });

  it('takes items of mixed types as a set, unknown ones included', async () => {
    const folder = folderAt(box, ['INBOX']);
    const wanted = [
      addTask(box, folder, { subject: 'a task' }),
      addMessage(box, folder, message(1)),
      addContact(box, folder, { texts: { DisplayName: 'Anna' } }),
      addGroup(box, folder, 'group', [{ address: 'a@people.test' }]),
      addMessage(box, folder, message(2)),
      box.add(folder, { element: 'Network', itemClass: 'IPM.Network' }),
    ].map(({ id, element }) => `${element} ${id}`);
    const listed = (await collect(findItems(transport, folder.id, signal))).flat();
    expect(listed.map(({ id, element }) => `${element} ${id}`).sort()).toEqual([...wanted].sort());
    const synced = (await collect(syncItems(transport, folder.id, '', signal))).flatMap(({ changed }) => changed);
    expect(synced.map(({ id, element }) => `${element} ${id}`).sort()).toEqual([...wanted].sort());
  });

  it('keeps blanks, which the library trims', async () => {
    const { id } = addNote(box, folderAt(box, ['Notes']), '  indented\r\n  twice  ');
    const [got] = await getItems(transport, [id], propertiesFor('notes'), signal);
    const body = 'element' in got! ? got.element.children.find(({ name }) => name === 'Body') : undefined;
    expect(body?.text).toBe('  indented\r\n  twice  ');
    const folder = box.addFolder(box.root, ' Name ');
    const found = await findFolders(transport, { wellKnown: 'msgfolderroot' }, 'deep', signal);
    expect(found.find((one) => one.id === folder.id)?.name).toBe(' Name ');
  });

  it('names a response code that the library does not know', async () => {
    once('SyncFolderItems', { is: 'unknown-code' });
    await expect(sync(folderAt(box, ['INBOX']).id)).rejects.toMatchObject({
      problem: 'refused',
      code: 'ErrorOfTomorrow',
    });
  });

  it('reads a SOAP fault although the status is 200', async () => {
    once('FindFolder', { is: 'fault-200', code: 'ErrorNonExistentMailbox' });
    const asked = findFolders(transport, { wellKnown: 'msgfolderroot' }, 'deep', signal);
    await expect(asked).rejects.toMatchObject({ problem: 'refused', code: 'ErrorNonExistentMailbox' });
  });

  it('ends when the library throws, or makes no request', async () => {
    const asked = (write: (service: Library) => Promise<unknown>): Promise<unknown> =>
      askByLibrary(transport, 'FindFolder', 1, signal, write);
    await expect(asked(() => Promise.reject({ message: 'no Error at all' }))).rejects.toBeInstanceOf(EwsFailure);
    await expect(asked(() => Promise.resolve())).rejects.toBeInstanceOf(EwsFailure);
    await expect(asked((service) => service.FindFolders(null as never, null as never))).rejects.toBeInstanceOf(Error);
  });

  it('does not wait for a library that keeps silent', async () => {
    const asked = askByLibrary(transport, 'FindFolder', 1, signal, async (service) => {
      const view = new ews.FolderView(1);
      await service.FindFolders(ews.WellKnownFolderName.MsgFolderRoot, view).catch(() => undefined);
      return new Promise(() => undefined);
    });
    expect(await asked).toHaveLength(1);
  });

  it('gives the same dates whatever zone the process runs in', () => {
    const here = dirname(fileURLToPath(import.meta.url));
    const print = (zone: string): string =>
      execFileSync(
        process.execPath,
        ['--import', join(here, '../../faults/typescript.mjs'), join(here, 'print-series.ts')],
        { env: { ...process.env, TZ: zone, NODE_OPTIONS: '' }, encoding: 'utf8' },
      );
    const utc = print('UTC');
    expect(utc).toContain('UNTIL=20351228');
    expect(utc).toContain('RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE');
    expect(print('America/Los_Angeles')).toBe(utc);
    expect(print('Pacific/Auckland')).toBe(utc);
  });

  it('is not loaded by a worker that reads no Exchange', () => {
    const worker = new URL('../../../dist/src/migration-worker.module.js', import.meta.url).href;
    const looking = `await import(${JSON.stringify(worker)});
      const { createRequire } = await import('node:module');
      const { cache } = createRequire(${JSON.stringify(worker)});
      const loaded = (name) => Object.keys(cache).some((file) => file.includes(\`/\${name}/\`));
      console.log(loaded('typeorm'), loaded('ews-javascript-api'));`;
    const said = execFileSync(process.execPath, ['--input-type=module', '--eval', looking], {
      env: { ...process.env, NODE_OPTIONS: '' },
      encoding: 'utf8',
    });
    expect(said.trim()).toBe('true false');
  });
});
