/** Answers that the test server would not give, for its own schema forbids them: other servers speak EWS, too. */
import { getLargeMime, getMimes } from '../../../src/protocols/ews/mime.js';
import type { EwsTransport } from '../../../src/protocols/ews/transport.js';
import { Listeners } from '../../fixtures/listeners.js';
import { answerXml, soap, transportTo } from './answering-server.js';

const signal = new AbortController().signal;
const EMPTY = '<t:MimeContent CharacterSet="UTF-8"/>';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const mime = (text: string): string => `<t:MimeContent CharacterSet="UTF-8">${base64(text)}</t:MimeContent>`;
const item = (id: string, content: string): string =>
  `<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:Message>${content}<t:ItemId Id="${id}"/></t:Message></m:Items></m:GetItemResponseMessage>`;
const missing =
  '<m:GetItemResponseMessage ResponseClass="Error"><m:ResponseCode>ErrorItemNotFound</m:ResponseCode></m:GetItemResponseMessage>';

describe('bodies of several messages in one answer', () => {
  const listeners = new Listeners();
  const open: EwsTransport[] = [];
  const giving = async (...messages: string[]): Promise<EwsTransport> => {
    const transport = await transportTo(listeners, (response) => answerXml(response, soap('GetItem', ...messages)));
    open.push(transport);
    return transport;
  };
  afterEach(async () => {
    for (const one of open.splice(0)) one.close();
    await listeners.closeAll();
  });
  const bodies = async (transport: EwsTransport, ids: string[]): Promise<Record<string, string | null>> => {
    const got = await getMimes(transport, ids, signal);
    return Object.fromEntries(got.map(({ id, bytes }) => [id, bytes?.toString() ?? null]));
  };

  it.each([
    ['written as an empty tag', EMPTY],
    ['opened and closed', '<t:MimeContent></t:MimeContent>'],
  ])('stay with their messages where one is empty, %s', async (_, empty) => {
    const transport = await giving(item('a', empty), item('b', mime('of b')), missing, item('d', mime('of d')));
    expect(await bodies(transport, ['a', 'b', 'c', 'd'])).toEqual({ a: '', b: 'of b', c: null, d: 'of d' });
  });

  it('stay with their messages where one has no body at all, and where a part of one has a body of its own', async () => {
    const inner = `<t:Attachments><t:ItemAttachment>${EMPTY}</t:ItemAttachment></t:Attachments>`;
    const transport = await giving(item('a', ''), item('b', inner + mime('of b')), item('c', mime('of c')));
    expect(await bodies(transport, ['a', 'b', 'c'])).toEqual({ a: null, b: 'of b', c: 'of c' });
  });

  it.each([
    [
      'a body that is interrupted',
      item('a', `<t:MimeContent>${base64('one')}<!-- -->${base64('two')}</t:MimeContent>`),
    ],
    ['two bodies in one message', item('a', EMPTY + mime('of whom?'))],
    ['a body that is no text for a stream', item('a', `<t:MimeContent><![CDATA[${base64('one')}]]></t:MimeContent>`)],
  ])('are not guessed: %s', async (_, message) => {
    const transport = await giving(message);
    await expect(getMimes(transport, ['a'], signal)).rejects.toMatchObject({ problem: 'not-understood' });
  });

  it('are one where one was asked for', async () => {
    const transport = await giving(item('a', mime('one') + mime('two')));
    let begun = 0;
    const asked = getLargeMime(transport, 'a', signal, async () => void begun++);
    await expect(asked).rejects.toMatchObject({ problem: 'not-understood' });
    expect(begun).toBe(1);
  });
});
