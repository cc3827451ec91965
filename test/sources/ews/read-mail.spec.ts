import type { ItemKey } from '../../../src/mailbox/item.js';
import { MOST_BATCH_BYTES } from '../../../src/protocols/ews/limits.js';
import type { EwsTransport } from '../../../src/protocols/ews/transport.js';
import { EwsClient } from '../../../src/sources/ews/client.js';
import { readMail } from '../../../src/sources/ews/read-mail.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { Listeners } from '../../fixtures/listeners.js';
import { answerXml, soap, transportTo } from '../../protocols/ews/answering-server.js';

const signal = new AbortController().signal;
const HEAD = 'Subject: big\r\nMessage-ID: <a@b>\r\n\r\n';

describe('messages whose size the server does not tell', () => {
  const listeners = new Listeners();
  let transport: EwsTransport | undefined;
  afterEach(async () => {
    transport?.close();
    await listeners.closeAll();
  });

  it('are read whole, however large one of them turns out', async () => {
    const bodies = new Map([
      ['A', Buffer.from(`${HEAD}small`)],
      ['B', Buffer.concat([Buffer.from(HEAD), Buffer.alloc(MOST_BATCH_BYTES + 1_000, 'b')])],
      ['C', Buffer.from(`${HEAD}another`)],
    ]);
    transport = await transportTo(listeners, (response, _, body) => {
      const given = [...body.matchAll(/ItemId Id="(\w)"/g)].map(
        ([, id]) =>
          `<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:Message><t:MimeContent>${bodies.get(id!)!.toString('base64')}</t:MimeContent><t:ItemId Id="${id}"/></t:Message></m:Items></m:GetItemResponseMessage>`,
      );
      answerXml(response, soap('GetItem', ...given));
    });
    const client = new EwsClient(transport, { side: 'source' });
    const refs = [...bodies.keys()].map((id) => ({ key: id as ItemKey, locator: Buffer.from(id), size: 0 }));
    const sizes: Record<string, number | string> = {};
    for await (const one of readMail(client, refs, new BodyStaging(), signal)) {
      sizes[one.ref.key] = one.is === 'staged' ? one.item.body.size : one.is;
      if (one.is === 'staged') await one.item.body.release();
    }
    expect(sizes).toEqual(Object.fromEntries([...bodies].map(([id, { length }]) => [id, length])));
  });
});
