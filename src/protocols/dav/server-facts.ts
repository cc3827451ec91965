import { type DavClient, failed } from './client.js';

export interface ServerFacts {
  /** Its own words for what it is: Server header and DAV classes, bounded. */
  readonly words: string;
  /** What its clock says (ms); ours where it does not. */
  readonly now: number;
}

const MAX_WORDS = 1_000;

/** It does not say its name; no other DAV server runs on Python's own HTTP server with just these classes. */
function isRadicale(server: string, dav: string): boolean {
  return server.startsWith('WSGIServer/') && /calendar-access, addressbook, extended-mkcol$/.test(dav);
}

/** What kind of server answers there, and its clock. @throws DavFailure, ConnectError */
export function askServer(client: DavClient, url: URL, signal: AbortSignal): Promise<ServerFacts> {
  return client.exchange({ method: 'OPTIONS', url }, signal, async (response) => {
    if (response.status >= 400) throw await failed(response);
    const { date = '' } = response.headers;
    const server = String(response.headers.server ?? '');
    const dav = String(response.headers['dav'] ?? '');
    const clock = Date.parse(date);
    return {
      words: `${server} ${isRadicale(server, dav) ? 'Radicale' : ''} ${dav}`.slice(0, MAX_WORDS),
      now: Number.isFinite(clock) ? clock : Date.now(),
    };
  });
}
