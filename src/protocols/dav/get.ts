import type { DavClient } from './client.js';
import { failed } from './client.js';
import type { DavObject } from './multiget.js';

/** One object as it is. Null: it is gone. @throws DavFailure, ConnectError (too large: PROTOCOL_ERROR 'too-large') */
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
    return { path, etag, body };
  });
}
