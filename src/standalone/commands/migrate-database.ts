import { createDataSource } from '../../database/data-source.js';
import { migrateDatabase } from '../../database/migrate.js';
import { readRuntime } from '../runtime.js';
import { loadSettings } from '../settings.js';
import { SettingsError } from '../settings-check.js';

/** Applies what is missing, under the advisory lock. @throws Error with one line. */
export async function migrateDatabaseCommand(say: (line: string) => void): Promise<void> {
  const settings = loadSettings();
  const url = settings.databaseUrl ?? readRuntime(settings.dataDir)?.databaseUrl;
  if (!url) throw new SettingsError('MAILFERRY_DATABASE_URL is missing (npm start migrates its own database itself)');
  const source = createDataSource({ url, poolSize: 1 });
  await source.initialize();
  try {
    const applied = await migrateDatabase(source);
    say(applied.length ? `applied ${applied.join(', ')}` : 'nothing to do: the database is up to date');
  } finally {
    await source.destroy();
  }
}
