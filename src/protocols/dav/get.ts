import type { IncomingHttpHeaders } from 'node:http';
import { ConnectError } from '../connect-error.js';
import type { DavClient } from './client.js';
import { failed } from './client.js';
import type { DavObject } from './multiget.js';

/** More than the last line of an object, with blanks after it. */
const END_BYTES = 100;

/** One object as it is. Null: it is gone. @throws DavFailure, ConnectError ('too-large'; 'cut': it may not be all of it) */
export async function get(
  client: DavClient,
  url: URL,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<DavObject | null> {
  return client.exchange({ method: 'GET', url }, signal, async (response) => {
    if (response.status === 404 || response.status === 410) return null;
    if (response.status !== 200) throw await failed(response);
    const etag = response.headers.etag ?? '';
    const body = await response.body(maxBytes, async (chunks) => {
      const parts: Buffer[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      return Buffer.concat(parts);
    });
    if (
      !tellsItsEnd(response.headers) &&
      !/(^|[\r\n])END:V(CALENDAR|CARD)\s*$/i.test(body.subarray(-END_BYTES).toString('latin1'))
    )
      throw new ConnectError('PROTOCOL_ERROR', 'The server ended its answer in the middle.', { why: 'cut' });
    return { path, etag, body };
  });
}

/** False: the end of the connection is the end of the answer, also when it breaks (RFC 9112 section 6.3). */
function tellsItsEnd(headers: IncomingHttpHeaders): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}
