/** Servers whose lists never end. */
import { EwsFailure } from '../../../src/protocols/ews/failure.js';
import { findFolders } from '../../../src/protocols/ews/folders.js';
import { findItems, syncItems } from '../../../src/protocols/ews/item-list.js';
import type { EwsTransport } from '../../../src/protocols/ews/transport.js';
import { publicBranch } from '../../../src/sources/ews/branches.js';
import { Listeners } from '../../fixtures/listeners.js';
import { answerXml, soap, transportTo } from './answering-server.js';

const signal = new AbortController().signal;
/** Requests after which a list counts as endless. */
const MOST = 400;

const message = (operation: string, inner: string): string =>
  soap(
    operation,
    `<m:${operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>${inner}</m:${operation}ResponseMessage>`,
  );
const folder = (id: string): string =>
  `<t:Folder><t:FolderId Id="${id}"/><t:ParentFolderId Id="a"/><t:DisplayName>${id}</t:DisplayName></t:Folder>`;
const folders = (all: string, more: boolean, total: number): string =>
  message(
    'FindFolder',
    `<m:RootFolder IncludesLastItemInRange="${!more}" TotalItemsInView="${total}" IndexedPagingOffset="1"><t:Folders>${all}</t:Folders></m:RootFolder>`,
  );
const items = (ids: string[], more: boolean, total: number): string =>
  message(
    'FindItem',
    `<m:RootFolder IncludesLastItemInRange="${!more}" TotalItemsInView="${total}" IndexedPagingOffset="1"><t:Items>${ids.map((id) => `<t:Message><t:ItemId Id="${id}"/></t:Message>`).join('')}</t:Items></m:RootFolder>`,
  );
const sync = (state: string, more: boolean, changes = ''): string =>
  message(
    'SyncFolderItems',
    `<m:SyncState>${state}</m:SyncState><m:IncludesLastItemInRange>${!more}</m:IncludesLastItemInRange><m:Changes>${changes}</m:Changes>`,
  );

describe('a list without end', () => {
  const listeners = new Listeners();
  const open: EwsTransport[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) one.close();
    await listeners.closeAll();
  });

  async function answering(xml: (nth: number, body: string) => string): Promise<EwsTransport> {
    let asked = 0;
    const transport = await transportTo(listeners, (response, _, body) => {
      if (++asked > MOST) response.writeHead(404).end();
      else answerXml(response, xml(asked, body));
    });
    open.push(transport);
    return transport;
  }
  const all = async <T>(pages: AsyncIterable<T>): Promise<T[]> => {
    const found: T[] = [];
    for await (const page of pages) found.push(page);
    return found;
  };
  const deep = (transport: EwsTransport): Promise<unknown[]> =>
    findFolders(transport, { wellKnown: 'msgfolderroot' }, 'deep', signal);
  const endless = (asked: Promise<unknown>): Promise<void> =>
    expect(asked).rejects.toEqual(expect.objectContaining({ constructor: EwsFailure, problem: 'not-understood' }));

  it('of folders is an error: the same page over and over, or a total that is never reached', async () => {
    await endless(deep(await answering(() => folders(folder('b') + folder('c'), true, 2))));
    await endless(deep(await answering(() => folders(folder('b'), false, 1_000_000_000))));
    const pages = await answering((n) => folders(folder(`f${n}`), n < 5, 5));
    expect(await deep(pages)).toHaveLength(5);
    // One was removed while we looked, so the last page has what we know.
    const shifted = await answering((n) => folders(folder(`f${Math.min(n, 2)}`), n < 3, 3));
    expect(await deep(shifted)).toHaveLength(2);
  });

  it('of items by FindItem is an error, too', async () => {
    await endless(all(findItems(await answering(() => items(['a', 'b'], true, 2)), 'f', signal)));
    await endless(all(findItems(await answering(() => items(['a'], false, 1_000_000_000)), 'f', signal)));
    const pages = await answering((n) => items([`i${n}`, `j${n}`], n < 3, 6));
    expect((await all(findItems(pages, 'f', signal))).flat()).toHaveLength(6);
  });

  it('of changes that are none is an error; a few empty pages are not', async () => {
    await endless(all(syncItems(await answering((n) => sync(`s${n}`, true)), 'f', '', signal)));
    const created = '<t:Create><t:Message><t:ItemId Id="a"/></t:Message></t:Create>';
    const pages = await answering((n) => sync(`s${n}`, n < 9, n % 4 === 0 ? created : ''));
    expect((await all(syncItems(pages, 'f', '', signal))).flatMap(({ changed }) => changed)).toHaveLength(2);
  });

  it('of public folders is none: one that lies below itself is looked into once', async () => {
    const circle = await answering((_, body) =>
      body.includes('GetFolder')
        ? message('GetFolder', `<m:Folders>${folder('a')}</m:Folders>`)
        : folders(body.includes('Id="b"') ? folder('a') + folder('b') : folder('b'), false, 1),
    );
    expect((await publicBranch(circle, signal)).folders.map(({ id }) => id)).toEqual(['b']);
    // And below each of them another one.
    const tower = await answering((n, body) =>
      body.includes('GetFolder')
        ? message('GetFolder', `<m:Folders>${folder('a')}</m:Folders>`)
        : folders(Array.from({ length: 1_000 }, (__, i) => folder(`f${n}-${i}`)).join(''), false, 1_000),
    );
    await endless(publicBranch(tower, signal));
  });
});
