import { type DavClient, failed } from './client.js';
import type { DavFailure } from './failure.js';

/** SOGo sends invitations unless it is told not to; RFC 6638 section 8.1 stops replies of attendees elsewhere. */
export const QUIET = { 'x-sogo-send-appointment-notifications': 'NO', 'schedule-reply': 'F' } as const;

export type PutResult =
  { readonly is: 'stored'; readonly etag: string | null } | { readonly is: 'refused'; readonly failure: DavFailure };

/**
 * Stores one object where there is none yet (RFC 9110 section 13.1.2), or in the place of exactly the one named, so that doing it twice does no
 * harm.
 * @param replaces a strong ETag; null: nothing
 * @throws ConnectError when it is not known whether it was stored.
 */
export function put(
  client: DavClient,
  object: { readonly url: URL; readonly bytes: Uint8Array; readonly type: string },
  signal: AbortSignal,
  replaces: string | null = null,
): Promise<PutResult> {
  const { url, bytes, type } = object;
  const condition: Record<string, string> = replaces === null ? { 'if-none-match': '*' } : { 'if-match': replaces };
  // A second one that nobody knows of would be told that somebody else was there before.
  const once = replaces === null;
  return client.exchange(
    { method: 'PUT', url, once, body: { bytes, type }, headers: { ...condition, ...QUIET } },
    signal,
    async (response): Promise<PutResult> => {
      if (response.status >= 200 && response.status < 300) return { is: 'stored', etag: response.headers.etag ?? null };
      return { is: 'refused', failure: await failed(response) };
    },
  );
}
