import { parseXml } from '../xml.js';
import { responseMessages } from './answer.js';
import { readAroundBodies } from './body-stream.js';
import { envelope, escapeXml } from './envelope.js';
import { type GotItem, gotItem, isShort } from './items.js';
import { AROUND_BODIES, MAX_MESSAGE_BYTES, MOST_BATCH_BYTES } from './limits.js';
import { ConnectError } from '../connect-error.js';
import type { EwsTransport } from './transport.js';

export type GotMime = GotItem & { readonly bytes?: Buffer };

/**
 * Messages as RFC 5322 has them, in memory: for small ones. A batch that is longer than it was announced, or answered by
 * fewer messages than it has items, is asked for one by one.
 * @throws EwsFailure; ConnectError; XmlError
 */
export async function getMimes(
  transport: EwsTransport,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<GotMime[]> {
  try {
    const bodies: Buffer[] = [];
    let size = 0;
    const items = await exchange(
      transport,
      ids,
      signal,
      async (bytes) => {
        const parts: Buffer[] = [];
        for await (const part of bytes) {
          size += part.length;
          if (size > MOST_BATCH_BYTES) throw tooLarge();
          parts.push(part);
        }
        bodies.push(Buffer.concat(parts));
      },
      () => {
        bodies.splice(0);
        size = 0;
      },
    );
    // Only what was given has a body: they come in the order of the questions.
    return items.map((item) =>
      'element' in item && hasBody(item) ? { ...item, bytes: bodies.shift() ?? Buffer.alloc(0) } : item,
    );
  } catch (error) {
    if (ids.length === 1 || !(isShort(error) || isTooLarge(error))) throw error;
    const all: GotMime[] = [];
    for (const id of ids) all.push(...(await getMimes(transport, [id], signal)));
    return all;
  }
}

/**
 * One message of any size, which is never in memory as a whole.
 * @param onBytes is called once, while the answer is still coming
 * @throws EwsFailure; ConnectError; XmlError; what `onBytes` throws
 */
export async function getLargeMime(
  transport: EwsTransport,
  id: string,
  signal: AbortSignal,
  onBytes: (bytes: AsyncIterable<Buffer>) => Promise<void>,
): Promise<GotItem> {
  const [item] = await exchange(transport, [id], signal, onBytes, () => undefined);
  return item!;
}

export function hasBody(item: GotItem): boolean {
  return 'element' in item && item.element.children.some(({ name }) => name === 'MimeContent');
}

function exchange(
  transport: EwsTransport,
  ids: readonly string[],
  signal: AbortSignal,
  onBody: (bytes: AsyncGenerator<Buffer, void>) => Promise<void>,
  begin: () => void,
): Promise<GotItem[]> {
  const wanted = ids.map((id) => `<t:ItemId Id="${escapeXml(id)}"/>`).join('');
  const shape =
    '<t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent><t:AdditionalProperties><t:FieldURI FieldURI="item:ItemClass"/><t:FieldURI FieldURI="item:HasAttachments"/><t:FieldURI FieldURI="item:Size"/><t:FieldURI FieldURI="message:InternetMessageId"/></t:AdditionalProperties>';
  const body = `<m:GetItem><m:ItemShape>${shape}</m:ItemShape><m:ItemIds>${wanted}</m:ItemIds></m:GetItem>`;
  return transport.ask('GetItem', envelope(transport.mailbox, body), signal, async (response) => {
    begin();
    const most = (MAX_MESSAGE_BYTES / 3) * 4 + AROUND_BODIES.maxBytes;
    const limits = { maxAroundBytes: AROUND_BODIES.maxBytes, maxBodyBytes: MAX_MESSAGE_BYTES };
    const around = await response.body(most, (chunks) => readAroundBodies(chunks, 'MimeContent', limits, onBody));
    const messages = responseMessages(parseXml(around, AROUND_BODIES), 'GetItem', ids.length, response.status);
    return messages.map(({ ok, code, text, element }, i) => gotItem(ids[i]!, ok, code, text, element));
  });
}

const tooLarge = (): ConnectError =>
  new ConnectError('PROTOCOL_ERROR', 'The answer of the server is too large.', { why: 'too-large' });

function isTooLarge(error: unknown): boolean {
  return error instanceof ConnectError && error.why === 'too-large';
}
