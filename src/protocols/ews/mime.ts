import { childrenNamed, parseXml, type XmlElement } from '../xml.js';
import { responseMessages } from './answer.js';
import { elementsOf, readAroundBodies } from './body-stream.js';
import { envelope, escapeXml } from './envelope.js';
import { EwsFailure } from './failure.js';
import { type GotItem, gotItem, isShort } from './items.js';
import { AROUND_BODIES, MAX_MESSAGE_BYTES, MOST_BATCH_BYTES } from './limits.js';
import { ConnectError } from '../connect-error.js';
import type { EwsTransport } from './transport.js';

const BODY = 'MimeContent';

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
    const bodies = new Map<number, Buffer>();
    let size = 0;
    const items = await exchange(
      transport,
      ids,
      signal,
      async (bytes, index) => {
        const parts: Buffer[] = [];
        for await (const part of bytes) {
          size += part.length;
          if (size > MOST_BATCH_BYTES) throw tooLarge();
          parts.push(part);
        }
        bodies.set(index, Buffer.concat(parts));
      },
      () => {
        bodies.clear();
        size = 0;
      },
    );
    return items.map(({ item, body }) =>
      body === null ? item : { ...item, bytes: bodies.get(body) ?? Buffer.alloc(0) },
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
  const [found] = await exchange(transport, [id], signal, onBytes, () => undefined);
  return found!.item;
}

/** An item, and which of the answer's bodies is its own; null: none is. */
interface Found {
  readonly item: GotItem;
  readonly body: number | null;
}

function exchange(
  transport: EwsTransport,
  ids: readonly string[],
  signal: AbortSignal,
  onBody: (bytes: AsyncGenerator<Buffer, void>, index: number) => Promise<void>,
  begin: () => void,
): Promise<Found[]> {
  const wanted = ids.map((id) => `<t:ItemId Id="${escapeXml(id)}"/>`).join('');
  const shape =
    '<t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent><t:AdditionalProperties><t:FieldURI FieldURI="item:ItemClass"/><t:FieldURI FieldURI="item:HasAttachments"/><t:FieldURI FieldURI="item:Size"/><t:FieldURI FieldURI="message:InternetMessageId"/></t:AdditionalProperties>';
  const body = `<m:GetItem><m:ItemShape>${shape}</m:ItemShape><m:ItemIds>${wanted}</m:ItemIds></m:GetItem>`;
  return transport.ask('GetItem', envelope(transport.mailbox, body), signal, async (response) => {
    begin();
    const most = (MAX_MESSAGE_BYTES / 3) * 4 + AROUND_BODIES.maxBytes;
    const limits = { maxAroundBytes: AROUND_BODIES.maxBytes, maxBodyBytes: MAX_MESSAGE_BYTES };
    const around = await response.body(most, (chunks) =>
      readAroundBodies(chunks, BODY, limits, async (bytes, index) => {
        if (index >= ids.length) throw notUnderstood('more bodies than items');
        await onBody(bytes, index);
      }),
    );
    const root = parseXml(around, AROUND_BODIES);
    const messages = responseMessages(root, 'GetItem', ids.length, response.status);
    const bodies = elementsOf(root, BODY);
    return messages.map(({ ok, code, text, element }, i) => {
      const item = gotItem(ids[i]!, ok, code, text, element);
      return { item, body: 'element' in item ? bodyOf(item.element, bodies) : null };
    });
  });
}

/** By its place in the document, not by counting: an element without a body comes without bytes. @throws EwsFailure */
function bodyOf(item: XmlElement, bodies: readonly XmlElement[]): number | null {
  const [own, ...more] = childrenNamed(item, BODY);
  if (own === undefined) return null;
  if (more.length > 0 || own.children.length > 0 || own.text.trim() !== '') throw notUnderstood('a body in pieces');
  return bodies.indexOf(own);
}

const notUnderstood = (code: string): EwsFailure => new EwsFailure('not-understood', { status: 200, code });

const tooLarge = (): ConnectError =>
  new ConnectError('PROTOCOL_ERROR', 'The answer of the server is too large.', { why: 'too-large' });

function isTooLarge(error: unknown): boolean {
  return error instanceof ConnectError && error.why === 'too-large';
}
