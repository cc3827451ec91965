import { Keyring } from '../../credentials/keyring.js';
import { createDataSource } from '../../database/data-source.js';
import { CredentialEntity } from '../../jobs/entities.js';
import { SecretOpener } from '../../worker/secret-opener.js';
import { masterKeys } from '../keys.js';
import { readRuntime } from '../runtime.js';
import { loadSettings } from '../settings.js';
import { withDatabase } from './with-database.js';

/**
 * Wraps every sealed secret anew by the first master key; the secrets themselves are not touched, and migrations that run
 * meanwhile go on. @returns false when some could not be: their master key is not set.
 */
export async function rotateKeysCommand(say: (line: string) => void): Promise<boolean> {
  const settings = loadSettings();
  const keyring = Keyring.parse(masterKeys(settings, readRuntime(settings.dataDir)?.sandbox != null));
  const first = keyring.sealing.id;
  return withDatabase(settings, async (url) => {
    const db = createDataSource({ url, poolSize: 2, entities: [CredentialEntity] });
    await db.initialize();
    try {
      const done = await new SecretOpener(db, keyring).rewrapAll();
      say(
        done === 0
          ? `nothing to do: key '${first}' holds everything`
          : `${done} secrets are now held by key '${first}'`,
      );
      const left = await db.query<{ key_id: string; n: number }[]>(
        `SELECT key_id, count(*)::int AS n FROM mailferry.credentials WHERE key_id <> $1 GROUP BY key_id ORDER BY key_id`,
        [first],
      );
      for (const { key_id: id, n } of left)
        say(
          keyring.find(id) === null
            ? `${n} secrets are held by key '${id}', which is not set: set it once more, after the others`
            : `${n} secrets do not open with key '${id}': it is another key of that name, or they were changed`,
        );
      if (left.length === 0)
        say(`the other keys can be taken out of the settings once every process has '${first}' as its first`);
      return left.length === 0;
    } finally {
      await db.destroy();
    }
  });
}
