import { isDeepStrictEqual } from 'node:util';
import type { SourceSettings } from './job.js';

export function sameSource(a: SourceSettings, b: SourceSettings): boolean {
  return isDeepStrictEqual({ ...a, provider: null }, { ...b, provider: null });
}

/**
 * A sealed password goes only where it was typed for. Whoever typed it may change port and encryption and accept a
 * certificate without typing it again; nobody may turn it to another server or account, or send it in clear.
 */
export function mayKeepSecret(from: SourceSettings, to: SourceSettings, typedByHim: boolean): boolean {
  if (!typedByHim || (to.security === 'none' && from.security !== 'none')) return false;
  const where = ({ type, host, username, login, dav, ews, options }: SourceSettings): unknown =>
    structuredClone({ type, host, username, login, dav, ews, options });
  return isDeepStrictEqual(where(from), where(to));
}
