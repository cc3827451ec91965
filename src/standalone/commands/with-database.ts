import { mkdirSync } from 'node:fs';
import { createDataSource } from '../../database/data-source.js';
import { migrateDatabase } from '../../database/migrate.js';
import type { Settings } from '../settings.js';
import { usePostgres } from '../shared-postgres.js';

/** The database of the settings, else that of the data folder, with all SQL migrations applied; given back at the end. */
export async function withDatabase<T>(settings: Settings, work: (url: string) => Promise<T>): Promise<T> {
  if (settings.databaseUrl === null) mkdirSync(settings.dataDir, { recursive: true });
  const own = settings.databaseUrl === null ? await usePostgres(settings.dataDir) : null;
  try {
    const url = settings.databaseUrl ?? own!.url;
    const database = createDataSource({ url, poolSize: 1 });
    await database.initialize();
    await migrateDatabase(database).finally(() => database.destroy());
    return await work(url);
  } finally {
    await own?.stop();
  }
}
