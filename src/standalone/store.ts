import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';

/** Who signed in at our own pages. What he may do is looked up again at every request. */
export type Subject =
  | { readonly kind: 'account'; readonly name: string }
  | { readonly kind: 'mailbox'; readonly address: string }
  | { readonly kind: 'sandbox'; readonly name: string };

/** A session ends after a working day, whatever happens. */
export const SESSION_HOURS = 8;
const POOL = 3;
const CONNECT_MS = 5_000;

/** What the standalone host keeps, for all its processes: sessions, and names that a token or a sign-in vouched for. */
export class StandaloneStore {
  private readonly pool: pg.Pool;
  /** Names this process has written already, so that a busy token costs nothing. */
  private readonly told = new Set<string>();

  constructor(databaseUrl: string) {
    this.pool = new pg.Pool({ connectionString: databaseUrl, max: POOL, connectionTimeoutMillis: CONNECT_MS });
    // An idle connection that breaks is replaced; without this it would end the process.
    this.pool.on('error', () => undefined);
  }

  /** @returns the secret for the cookie; only its hash is kept. */
  async openSession(subject: Subject): Promise<string> {
    const secret = randomBytes(32).toString('base64url');
    await this.pool.query('DELETE FROM mailferry.standalone_sessions WHERE expires_at < now()');
    await this.pool.query(
      `INSERT INTO mailferry.standalone_sessions (id, subject, expires_at) VALUES ($1, $2, now() + $3 * interval '1 hour')`,
      [idOf(secret), JSON.stringify(subject), SESSION_HOURS],
    );
    return secret;
  }

  async findSession(secret: string): Promise<Subject | null> {
    const found = await this.pool.query<{ subject: Subject }>(
      'SELECT subject FROM mailferry.standalone_sessions WHERE id = $1 AND expires_at > now()',
      [idOf(secret)],
    );
    return found.rows[0]?.subject ?? null;
  }

  async closeSession(secret: string): Promise<void> {
    await this.pool.query('DELETE FROM mailferry.standalone_sessions WHERE id = $1', [idOf(secret)]);
  }

  async tell(tenant: string, kind: 'mailbox' | 'domain' | 'configured', names: readonly string[]): Promise<void> {
    const news = names
      .map((name) => name.toLowerCase())
      .filter((name) => !this.told.has([tenant, kind, name].join('\n')));
    if (!news.length) return;
    await this.pool.query(
      `INSERT INTO mailferry.standalone_known (tenant, kind, name) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING`,
      [tenant, kind, news],
    );
    for (const name of news) this.told.add([tenant, kind, name].join('\n'));
  }

  async knows(tenant: string, address: string): Promise<boolean> {
    const domain = address.slice(address.lastIndexOf('@') + 1);
    const found = await this.pool.query(
      `SELECT 1 FROM mailferry.standalone_known
        WHERE tenant = $1 AND ((kind = 'mailbox' AND name = $2) OR (kind = 'domain' AND name = $3)) LIMIT 1`,
      [tenant, address, domain],
    );
    return found.rowCount === 1;
  }

  /** Whether the domain ever stood in the settings. */
  async wasConfigured(tenant: string, domain: string): Promise<boolean> {
    const found = await this.pool.query(
      `SELECT 1 FROM mailferry.standalone_known WHERE tenant = $1 AND kind = 'configured' AND name = $2`,
      [tenant, domain],
    );
    return found.rowCount === 1;
  }

  /** Known mailboxes of the domain, in order. */
  async mailboxesOf(tenant: string, domain: string): Promise<string[]> {
    const found = await this.pool.query<{ name: string }>(
      `SELECT name FROM mailferry.standalone_known
        WHERE tenant = $1 AND kind = 'mailbox' AND split_part(name, '@', 2) = $2 ORDER BY name`,
      [tenant, domain],
    );
    return found.rows.map((row) => row.name);
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}

function idOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
