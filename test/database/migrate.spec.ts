import pg from 'pg';
import { createDataSource, MIGRATIONS } from '../../src/database/data-source.js';
import { migrateDatabase, pendingMigrations, undoLastMigration } from '../../src/database/migrate.js';
import { emptyDatabase, type TestDatabase } from '../servers/database.js';

const NAMES = MIGRATIONS.map((migration) => migration.name);

describe('the SQL migrations', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await emptyDatabase();
  });
  afterEach(() => database.drop());

  async function withSource<T>(work: (source: ReturnType<typeof createDataSource>) => Promise<T>): Promise<T> {
    // One connection must be enough: the lock and the work share it.
    const source = createDataSource({ url: database.url, poolSize: 1 });
    await source.initialize();
    try {
      return await work(source);
    } finally {
      await source.destroy();
    }
  }

  async function tables(): Promise<string[]> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>(
      `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('public', 'mailferry')`,
    );
    await client.end();
    return rows.map((row) => row.name).sort();
  }

  it('are applied once by six processes that boot at the same time', async () => {
    const applied = await Promise.all(Array.from({ length: 6 }, () => withSource(migrateDatabase)));
    expect(applied.flat()).toEqual(NAMES);
    expect(await tables()).toContain('mailferry.bindings_15');
  });

  it('change nothing when applied again', async () => {
    await withSource(migrateDatabase);
    const before = await tables();
    expect(await withSource(migrateDatabase)).toEqual([]);
    expect(await withSource(pendingMigrations)).toEqual([]);
    expect(await tables()).toEqual(before);
  });

  it('stay in their own schema', async () => {
    await withSource(migrateDatabase);
    expect((await tables()).filter((name) => name.startsWith('public.'))).toEqual([]);
  });

  it('can be taken back and applied again', async () => {
    await withSource(migrateDatabase);
    const before = await tables();
    for (const _ of NAMES) await withSource(undoLastMigration);
    expect(await tables()).toEqual(['mailferry.migrations']);
    expect(await withSource(pendingMigrations)).toEqual(NAMES);
    await withSource(migrateDatabase);
    expect(await tables()).toEqual(before);
  });

  it('take the links that users were invited by along, and send those again whose address is another now', async () => {
    await withSource(migrateDatabase);
    while ((await tables()).includes('mailferry.invitations') === false) await withSource(undoLastMigration);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, state, source, items, existing, filters, options)
       VALUES ('t', 'new.test', 'ann@new.test', 'dora', 'draft', '{}', '{mail}', 'keep', '{}', '{}') RETURNING id`,
    );
    await client.query(
      `INSERT INTO mailferry.invitations (tenant, job, created_by, expires_at, sent_at, used_at) VALUES
         ('t', $1, 'used', now() + interval '1 day', now(), now()), ('t', $1, 'over', now() - interval '1 day', now(), NULL),
         ('t', $1, 'open', now() + interval '1 day', now(), NULL), ('t', $1, 'shown', now() + interval '1 day', NULL, NULL)`,
      [rows[0]!.id],
    );
    await withSource(migrateDatabase);
    const moved = await client.query<{ who: string; open: boolean; again: boolean }>(
      `SELECT made_by AS who, used_at IS NULL AND revoked_at IS NULL AND expires_at > now() AS open, to_send AS again
       FROM mailferry.password_links ORDER BY made_by`,
    );
    await client.end();
    expect(moved.rows).toEqual([
      { who: 'open', open: true, again: true },
      { who: 'over', open: false, again: false },
      { who: 'shown', open: true, again: false },
      { who: 'used', open: false, again: false },
    ]);
  });
});
