import type { StagedBody } from '../../src/mailbox/item.js';

export interface MessageShape {
  /** Adds filler until the message has about this many bytes. */
  readonly size?: number;
  /** Raw 8-bit bytes in the body. */
  readonly eightBit?: boolean;
  readonly subject?: string;
  /** Null: no Message-ID. */
  readonly messageId?: string | null;
  readonly body?: string;
}

/** A plain message with CRLF line ends, the same bytes for the same arguments. */
export function message(n: number, shape: MessageShape = {}): Buffer {
  const id = shape.messageId === undefined ? `<m${n}@old.test>` : shape.messageId;
  const head = [
    `From: Sender <sender${n}@old.test>`,
    'To: alice@new.test',
    `Subject: ${shape.subject ?? `Message ${n}`}`,
    'Date: Tue, 13 May 2014 18:53:20 +0200',
    ...(id === null ? [] : [`Message-ID: ${id}`]),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
  ].join('\r\n');
  const body = shape.body ?? `This is message ${n}.${shape.eightBit ? ' Grüße, naïve façade €.' : ''}`;
  const text = Buffer.from(`${head}\r\n\r\n${body}\r\n`);
  const missing = (shape.size ?? 0) - text.length;
  if (missing <= 0) return text;
  const line = `${String(n).padStart(4, '0')}${'x'.repeat(70)}\r\n`;
  return Buffer.concat([text, Buffer.from(line.repeat(Math.ceil(missing / line.length)))]);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function bytesOf(body: Pick<StagedBody, 'open'>): Promise<Buffer> {
  return Buffer.concat(await collect(body.open()));
}
