/** The EWS server of the tests is as hard to please as it says. */
import { complaints, noSchemas } from './schema.js';
import { message } from '../../contracts/messages.js';
import { addMessage, folderAt } from './fill.js';
import { type EwsServer, startEws } from './server.js';
import type { Mailbox } from './store.js';
import { MESSAGES, SOAP, TYPES } from './xml.js';

describe('the EWS server of the tests', () => {
  let server: EwsServer;
  let box: Mailbox;
  const ask = async (body: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> => {
    const response = await fetch(server.url, {
      method: 'POST',
      headers: {
        'content-type': 'text/xml; charset=utf-8',
        authorization: `Basic ${Buffer.from('OLD\\anna:secret').toString('base64')}`,
        ...headers,
      },
      body: `<s:Envelope xmlns:s="${SOAP}" xmlns:m="${MESSAGES}" xmlns:t="${TYPES}"><s:Body>${body}</s:Body></s:Envelope>`,
    });
    return { status: response.status, text: await response.text() };
  };
  const find = (shape: string, most = 5_000): string =>
    `<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>${shape}</m:ItemShape><m:IndexedPageItemView MaxEntriesReturned="${most}" Offset="0" BasePoint="Beginning"/><m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem>`;
  const fields = (...names: string[]): string =>
    `<t:AdditionalProperties>${names.map((name) => `<t:FieldURI FieldURI="${name}"/>`).join('')}</t:AdditionalProperties>`;
  const count = (text: string, what: string): number => text.split(what).length - 1;

  beforeEach(async () => {
    server = await startEws({ strict: true });
    box = server.mailbox('anna@old.test', 'secret', ['OLD\\anna']);
  });
  afterEach(async () => {
    await server.close();
  });

  it('answers nobody without a login, whatever the method', async () => {
    for (const method of ['GET', 'POST']) {
      const response = await fetch(server.url, { method });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toContain('Basic');
    }
  });

  (noSchemas === null ? it : it.skip)('refuses what is not as the schema says, as Exchange does', async () => {
    const { status, text } = await ask('<m:FindItem><m:Nonsense/></m:FindItem>');
    expect(status).toBe(500);
    expect(text).toContain('ErrorSchemaValidation');
    expect((await ask(find(''))).status).toBe(200);
    expect((await complaints(['<x/>']))[0]).not.toEqual([]);
  });

  (noSchemas === null ? it : it.skip)('fails the test for an answer of its own that is wrong', async () => {
    const other = await startEws();
    const anna = other.mailbox('anna@old.test', 'secret');
    const item = addMessage(anna, folderAt(anna, ['INBOX']), message(1));
    anna.change(item, [['item:Size', '<t:Size>many</t:Size>']]);
    await fetch(other.url, {
      method: 'POST',
      headers: {
        'content-type': 'text/xml; charset=utf-8',
        authorization: `Basic ${Buffer.from('anna@old.test:secret').toString('base64')}`,
      },
      body: `<s:Envelope xmlns:s="${SOAP}" xmlns:m="${MESSAGES}" xmlns:t="${TYPES}"><s:Body>${find(fields('item:Size'))}</s:Body></s:Envelope>`,
    }).then((response) => response.text());
    await expect(other.close()).rejects.toThrow('many');
  });

  it('cuts lists at a thousand and texts at 255 characters, and gives no bodies in them', async () => {
    const inbox = folderAt(box, ['INBOX']);
    for (let n = 0; n < 1_005; n++) addMessage(box, inbox, message(n), { subject: 'x'.repeat(300) });
    const { text } = await ask(find(fields('item:Subject')));
    expect(count(text, '<t:Message>')).toBe(1_000);
    expect(text).toContain('IncludesLastItemInRange="false"');
    expect(text).toContain('TotalItemsInView="1005"');
    expect(text).toContain(`<t:Subject>${'x'.repeat(255)}</t:Subject>`);
    expect((await ask(find(fields('item:Body')))).text).toContain('ErrorInvalidPropertyRequest');
  });

  it('says ErrorExceededConnectionCount to the twenty-eighth at once', async () => {
    server.latencyMs = 300;
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(find(''))));
    expect(answers.filter(({ text }) => text.includes('ErrorExceededConnectionCount')).length).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(27);
  });

  it('fails the test where somebody comes back before the time it was told', async () => {
    const other = await startEws();
    other.mailbox('anna@old.test', 'secret');
    other.faults = ({ nth }) => (nth === 1 ? { is: 'busy-500', ms: 5_000 } : null);
    const again = async (): Promise<unknown> =>
      fetch(other.url, {
        method: 'POST',
        headers: {
          'content-type': 'text/xml; charset=utf-8',
          authorization: `Basic ${Buffer.from('anna@old.test:secret').toString('base64')}`,
        },
        body: `<s:Envelope xmlns:s="${SOAP}" xmlns:m="${MESSAGES}" xmlns:t="${TYPES}"><s:Body>${find('')}</s:Body></s:Envelope>`,
      }).then((response) => response.text());
    await again();
    await new Promise((done) => setTimeout(done, 600));
    await again();
    await expect(other.close()).rejects.toThrow('FindItem came');
  });
});
