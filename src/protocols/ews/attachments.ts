import { ConnectError } from '../connect-error.js';
import { childrenNamed, parseXml, textOf } from '../xml.js';
import { responseMessages } from './answer.js';
import { readAroundBodies } from './body-stream.js';
import { envelope, escapeXml } from './envelope.js';
import { AROUND_BODIES } from './limits.js';
import type { EwsTransport } from './transport.js';

export interface GotAttachment {
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer;
}

/**
 * One file that is attached to an item. Null: it is not given, or is no file.
 * @param most bytes; a longer one is null, too
 * @throws EwsFailure; ConnectError; XmlError
 */
export async function getAttachment(
  transport: EwsTransport,
  id: string,
  most: number,
  signal: AbortSignal,
): Promise<GotAttachment | null> {
  const body = `<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="${escapeXml(id)}"/></m:AttachmentIds></m:GetAttachment>`;
  try {
    return await transport.ask('GetAttachment', envelope(transport.mailbox, body), signal, async (response) => {
      const parts: Buffer[] = [];
      const limits = { maxAroundBytes: AROUND_BODIES.maxBytes, maxBodyBytes: most };
      const around = await response.body(most * 2 + AROUND_BODIES.maxBytes, (chunks) =>
        readAroundBodies(chunks, 'Content', limits, async (bytes) => {
          for await (const part of bytes) parts.push(part);
        }),
      );
      const [message] = responseMessages(parseXml(around, AROUND_BODIES), 'GetAttachment', 1, response.status);
      const file = message?.ok === true ? childrenNamed(message.element, 'Attachments')[0]?.children[0] : undefined;
      if (file?.name !== 'FileAttachment') return null;
      return { name: textOf(file, 'Name'), type: textOf(file, 'ContentType'), bytes: Buffer.concat(parts) };
    });
  } catch (error) {
    if (error instanceof ConnectError && error.why === 'too-large') return null;
    throw error;
  }
}
