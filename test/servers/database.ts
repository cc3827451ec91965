/**
 * Databases for specs.
 *
 *     const database = await freshDatabase();        // all migrations applied, empty, this spec's alone (some 50 ms)
 *     new DataSource({ type: 'postgres', url: database.url, ... });
 *     await database.drop();                         // in afterAll; open connections are cut
 *
 * `emptyDatabase()` gives one without our tables, for tests of the migrations themselves. For a server of your own that may be
 * killed and started again, see private.ts.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { createDataSource } from '../../src/database/data-source.js';
import { migrateDatabase } from '../../src/database/migrate.js';
import { testEnv } from './env.js';

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
}

/** Any number: one spec at a time makes the template. */
const TEMPLATE_LOCK = 7_316_001;

export async function freshDatabase(adminUrl: string = testEnv().databaseUrl): Promise<TestDatabase> {
  const template = await migratedTemplate(adminUrl);
  return create(adminUrl, `CREATE DATABASE %s TEMPLATE ${template}`);
}

export function emptyDatabase(adminUrl: string = testEnv().databaseUrl): Promise<TestDatabase> {
  return create(adminUrl, 'CREATE DATABASE %s');
}

async function create(adminUrl: string, statement: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(adminUrl, (client) => client.query(statement.replace('%s', name)));
  return {
    name,
    url: withDatabase(adminUrl, name),
    drop: async () => {
      await asAdmin(adminUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/** Made once per run, and again when a migration's text has changed. */
async function migratedTemplate(adminUrl: string): Promise<string> {
  const folder = join(import.meta.dirname, '..', '..', 'migrations');
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(join(folder, file)));
  const name = `template_${hash.digest('hex').slice(0, 16)}`;
  await asAdmin(adminUrl, async (client) => {
    const exists = async (): Promise<boolean> =>
      (await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).rowCount === 1;
    if (await exists()) return;
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    if (await exists()) return;
    // Under another name until it is whole: an interrupted migration is never taken for a template.
    const part = `${name}_part`;
    await client.query(`DROP DATABASE IF EXISTS ${part} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${part}`);
    const source = createDataSource({ url: withDatabase(adminUrl, part) });
    await source.initialize();
    try {
      await migrateDatabase(source);
    } finally {
      await source.destroy();
    }
    await client.query(`ALTER DATABASE ${part} RENAME TO ${name}`);
  });
  return name;
}

async function asAdmin<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
