import { type DavClient, failed } from './client.js';
import { QUIET } from './put.js';

/**
 * Removes exactly the object that has this ETag. `changed`: another one is there by now; `gone`: none.
 * @throws DavFailure, ConnectError
 */
export function remove(
  client: DavClient,
  url: URL,
  etag: string,
  signal: AbortSignal,
): Promise<'removed' | 'changed' | 'gone'> {
  return client.exchange(
    { method: 'DELETE', url, headers: { 'if-match': etag, ...QUIET } },
    signal,
    async (response) => {
      if (response.status >= 200 && response.status < 300) return 'removed';
      if (response.status === 412) return 'changed';
      if (response.status === 404 || response.status === 410) return 'gone';
      throw await failed(response);
    },
  );
}
