import type { IncomingMessage } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createInflate } from 'node:zlib';
import { ConnectError } from '../connect-error.js';

/** What we can unpack, and ask for. One layer: nobody honest sends two (RFC 9110 section 8.4 allows any number). */
const UNPACK = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate } as const;
export const ACCEPT_ENCODING = 'gzip';

/**
 * The whole body, unpacked. Neither what comes over the wire nor what it unpacks to may exceed `maxBytes`; memory stays
 * within that and some chunks, whatever the server claims.
 * @throws ConnectError PROTOCOL_ERROR
 */
export async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return useBody(response, maxBytes, async (source) => {
    const chunks: Buffer[] = [];
    for await (const chunk of source) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}

/**
 * The same as a stream, for one reader. A reader that ends early ends the response.
 * @throws ConnectError PROTOCOL_ERROR; what the reader throws.
 */
export async function useBody<T>(
  response: IncomingMessage,
  maxBytes: number,
  read: (body: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  const encoding = (response.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  let outcome: { readonly result: T } | { readonly error: unknown } | null = null;
  const reader = async (source: AsyncIterable<Buffer>): Promise<void> => {
    outcome = await read(source).then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    );
    if ('error' in outcome) throw outcome.error;
  };
  const plain = encoding === 'identity' || encoding === '';
  if (!plain && !isUnpackable(encoding))
    throw new ConnectError('PROTOCOL_ERROR', 'The server packs its answer in an unknown way.', {
      why: 'unknown-encoding',
    });
  try {
    if (plain) await pipeline(response, atMost(maxBytes), reader);
    else await pipeline(response, atMost(maxBytes), UNPACK[encoding](), atMost(maxBytes), reader);
  } catch (error) {
    // A reader that gives up makes the stream say that it was aborted.
    const ended = outcome as { readonly error: unknown } | { readonly result: T } | null;
    throw ended !== null && 'error' in ended ? ended.error : error;
  }
  return (outcome as unknown as { readonly result: T }).result;
}

function isUnpackable(encoding: string): encoding is keyof typeof UNPACK {
  return Object.hasOwn(UNPACK, encoding);
}

function atMost(maxBytes: number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      size += chunk.length;
      if (size > maxBytes) done(tooLarge());
      else done(null, chunk);
    },
  });
}

function tooLarge(): ConnectError {
  return new ConnectError('PROTOCOL_ERROR', 'The answer of the server is too large.', { why: 'too-large' });
}
