import type { ItemKey } from '../../../src/mailbox/item.js';
import { BATCH_BYTES, MOST_BATCH_BYTES } from '../../../src/protocols/ews/limits.js';
import type { EwsTransport } from '../../../src/protocols/ews/transport.js';
import { EwsClient } from '../../../src/sources/ews/client.js';
import { readMail } from '../../../src/sources/ews/read-mail.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { Listeners } from '../../fixtures/listeners.js';
import { answerXml, soap, transportTo } from '../../protocols/ews/answering-server.js';

const signal = new AbortController().signal;
const HEAD = 'Subject: big\r\nMessage-ID: <a@b>\r\n\r\n';

describe('messages of a server that is not quite Exchange', () => {
  const listeners = new Listeners();
  let transport: EwsTransport | undefined;
  afterEach(async () => {
    transport?.close();
    await listeners.closeAll();
  });
  const given = (id: string, mime: string): string =>
    `<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:Message>${mime}<t:ItemId Id="${id}"/></t:Message></m:Items></m:GetItemResponseMessage>`;
  /** Outcomes by id: bytes, or why not. */
  async function read(mime: (id: string) => string, sizes: Record<string, number>): Promise<Record<string, unknown>> {
    transport = await transportTo(listeners, (response, _, body) => {
      const ids = [...body.matchAll(/ItemId Id="(\w)"/g)].map(([, id]) => id!);
      answerXml(response, soap('GetItem', ...ids.map((id) => given(id, mime(id)))));
    });
    const client = new EwsClient(transport, { side: 'source' });
    const refs = Object.entries(sizes).map(([id, size]) => ({ key: id as ItemKey, locator: Buffer.from(id), size }));
    const outcomes: Record<string, unknown> = {};
    for await (const one of readMail(client, refs, new BodyStaging(), signal)) {
      if (one.is === 'staged') await one.item.body.release();
      outcomes[one.ref.key] =
        one.is === 'staged' ? one.item.body.size : one.is === 'unreadable' ? one.error.code : one.is;
    }
    return outcomes;
  }

  it('are read whole where their size is not told, however large one of them turns out', async () => {
    const bodies: Record<string, Buffer> = {
      A: Buffer.from(`${HEAD}small`),
      B: Buffer.concat([Buffer.from(HEAD), Buffer.alloc(MOST_BATCH_BYTES + 1_000, 'b')]),
      C: Buffer.from(`${HEAD}another`),
    };
    const mime = (id: string): string => `<t:MimeContent>${bodies[id]!.toString('base64')}</t:MimeContent>`;
    expect(await read(mime, { A: 0, B: 0, C: 0 })).toEqual(
      Object.fromEntries(Object.entries(bodies).map(([id, { length }]) => [id, length])),
    );
  });

  it('cost nobody else where one of them cannot be understood, large or small', async () => {
    const whole = `<t:MimeContent>${Buffer.from(`${HEAD}x`).toString('base64')}</t:MimeContent>`;
    const sizes = { A: 100, B: BATCH_BYTES + 1, C: 100, D: BATCH_BYTES + 1, E: 100 };
    const outcomes = await read((id) => ('BC'.includes(id) ? whole + whole : whole), sizes);
    const length = HEAD.length + 1;
    expect(outcomes).toEqual({ A: length, B: 'NOT_GIVEN', C: 'NOT_GIVEN', D: length, E: length });
  });
});
