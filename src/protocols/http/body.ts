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
  const encoding = (response.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  const collect = async (source: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of source) chunks.push(chunk);
  };
  if (encoding === 'identity' || encoding === '') await pipeline(response, atMost(maxBytes), collect);
  else if (isUnpackable(encoding))
    await pipeline(response, atMost(maxBytes), UNPACK[encoding](), atMost(maxBytes), collect);
  else
    throw new ConnectError('PROTOCOL_ERROR', 'The server packs its answer in an unknown way.', {
      why: 'unknown-encoding',
    });
  return Buffer.concat(chunks);
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
