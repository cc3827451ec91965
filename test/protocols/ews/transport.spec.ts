import { getFolders } from '../../../src/protocols/ews/folders.js';
import type { EwsTransport, TransportOptions } from '../../../src/protocols/ews/transport.js';
import { Listeners } from '../../fixtures/listeners.js';
import { answerXml, soap, transportTo } from './answering-server.js';

const FOLDER = soap(
  'GetFolder',
  '<m:GetFolderResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Folders><t:Folder><t:FolderId Id="a"/></t:Folder></m:Folders></m:GetFolderResponseMessage>',
);
const ALL = 4;

describe('a login that is refused in the middle', () => {
  const listeners = new Listeners();
  const open: EwsTransport[] = [];
  /** How many of the next requests are refused; those under way are answered together. */
  let refusals = 0;
  let together = 1;
  let refused = 0;
  let served = 0;
  /** The only token that is let in; null: whoever comes. */
  let good: string | null = null;
  afterEach(async () => {
    for (const one of open.splice(0)) one.close();
    await listeners.closeAll();
  });

  async function start(options: Partial<TransportOptions> = {}): Promise<EwsTransport> {
    [refusals, together, refused, served, good] = [0, 1, 0, 0, null];
    const waiting: (() => void)[] = [];
    const transport = await transportTo(
      listeners,
      async (response, authorization) => {
        await new Promise<void>((answer) => {
          waiting.push(answer);
          if (waiting.length < together) return;
          together = 1;
          waiting.splice(0).forEach((go) => go());
        });
        if (refusals-- > 0 || (good !== null && authorization !== `Bearer ${good}`)) {
          refused++;
          response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        } else {
          served++;
          answerXml(response, FOLDER);
        }
      },
      { maxConnections: ALL, ...options },
    );
    open.push(transport);
    return transport;
  }
  const ask = (transport: EwsTransport, signal = new AbortController().signal): Promise<string> =>
    getFolders(transport, [{ wellKnown: 'inbox' }], signal).then(
      () => 'given',
      (error: { problem?: string; name: string }) => error.problem ?? error.name,
    );
  const askAll = (transport: EwsTransport): Promise<string[]> =>
    Promise.all(Array.from({ length: ALL }, () => ask(transport)));

  it.each([1, 2, ALL])('of one moment is tried once more, if %i requests were refused in it', async (n) => {
    const transport = await start();
    await ask(transport);
    [refusals, together] = [n, ALL];
    expect(await askAll(transport)).toEqual(Array.from({ length: ALL }, () => 'given'));
    expect(refused).toBe(n);
    // And so once more later.
    [refusals, together] = [n, ALL];
    expect(await askAll(transport)).not.toContain('sign-in');
  });

  it('for good is tried once more in all, whatever was under way and wherever a request begins meanwhile', async () => {
    const transport = await start();
    await ask(transport);
    [refusals, together] = [Infinity, ALL];
    expect(await askAll(transport)).toEqual(Array.from({ length: ALL }, () => 'sign-in'));
    expect(refused).toBe(ALL + 1);

    const another = await start();
    await ask(another);
    refusals = Infinity;
    const first = ask(another);
    while (refused === 0) await new Promise((soon) => setImmediate(soon));
    // The login is in doubt from here on.
    await new Promise((soon) => setTimeout(soon, 50));
    expect([await ask(another), await first]).toEqual(['sign-in', 'sign-in']);
    expect(refused).toBe(2);
  });

  it('is in doubt no longer than whoever tries it once more asks for it', async () => {
    const transport = await start();
    await ask(transport);
    [refusals, together] = [2, 2];
    const stop = new AbortController();
    const [first, second] = [ask(transport, stop.signal), ask(transport)];
    while (refused < 2) await new Promise((soon) => setImmediate(soon));
    await new Promise((soon) => setTimeout(soon, 50));
    stop.abort();
    expect(await first).toBe('AbortError');
    expect(await second).toBe('given');
    expect(served).toBe(2);
  });

  it('because its token has ended is replaced for all that were under way', async () => {
    let token = 'one';
    const transport = await start({ login: async () => ({ kind: 'token', token }) });
    await ask(transport);
    good = token = 'two';
    together = ALL;
    expect(await askAll(transport)).toEqual(Array.from({ length: ALL }, () => 'given'));
    expect(refused).toBe(ALL);
  });
});
