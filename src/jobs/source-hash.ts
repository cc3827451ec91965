import type { Keyring } from '../credentials/keyring.js';
import type { SourceSecret } from './contract.js';
import type { SourceSettings } from './job.js';

/** How long a passed test is worth something (ms). */
export const TEST_VALID_MS = 24 * 60 * 60 * 1000;

/**
 * Recognises exactly these settings with exactly this secret, so that a start knows the test that passed. Keyed by the
 * first master key: whoever has only the database cannot try passwords against it.
 */
export function sourceHash(keyring: Keyring, source: SourceSettings, secret: SourceSecret): string {
  const { type, host, port, security, username, caFingerprint, login, dav, ews, options, files } = source;
  return keyring.mac(
    'passed-tests',
    JSON.stringify([
      [type, host, port, security, username, caFingerprint ?? null, dav?.url ?? null, ews?.url ?? null],
      Object.entries(options ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
      [secret.password ?? null, secret.token ?? null],
      ...(login === undefined ? [] : [[login.method, login.username, login.template ?? null]]),
      // Not the names' keys: who has the id and the content's hash right has the files.
      ...(files === undefined ? [] : [files.map(({ id, sha256 }) => [id, sha256])]),
    ]),
  );
}
