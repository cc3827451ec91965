import { connect } from 'node:net';
import { ImapFlow } from 'imapflow';
import pg from 'pg';
import { createDataSource } from '../../database/data-source.js';
import { pendingMigrations } from '../../database/migrate.js';
import type { DestinationGrant, Principal } from '../../panel/host-panel.js';
import type { RedisAddress } from '../../panel/options.js';
import { redisInfo } from '../infra/redis-info.js';
import { masterKeys, tokenKey } from '../keys.js';
import { StandalonePanel } from '../panel.js';
import { DEFAULT_TENANT } from '../people.js';
import { readRuntime, type Runtime } from '../runtime.js';
import { loadSettings, type DestinationSettings, type Settings } from '../settings.js';
import { StandaloneStore } from '../store.js';

/** How long anybody may take to answer (ms). */
const PATIENCE_MS = 10_000;
const OLDEST_POSTGRES = 150_000;

interface Finding {
  readonly check: 'settings' | 'keys' | 'database' | 'queue' | 'destination';
  readonly ok: boolean;
  /** What was found, or what is wrong. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** Looks at everything a migration needs and changes nothing. @returns whether all is well. */
export async function runDoctor(
  options: { readonly mailbox?: string; readonly json?: boolean },
  say: (line: string) => void,
): Promise<boolean> {
  let well = true;
  const tell = (finding: Finding): void => {
    well &&= finding.ok;
    if (options.json) return say(JSON.stringify(finding));
    say(`${finding.ok ? 'ok     ' : 'wrong  '} ${finding.check}: ${finding.message}`);
    if (finding.hint) say(`        -> ${finding.hint}`);
  };
  let settings: Settings;
  try {
    settings = loadSettings();
    tell({ check: 'settings', ok: true, message: process.env['MAILFERRY_CONFIG'] ?? 'from the environment' });
  } catch (error) {
    tell({ check: 'settings', ok: false, message: lineOf(error), hint: 'see schemas/settings.schema.json' });
    return false;
  }
  const runtime = readRuntime(settings.dataDir);
  const databaseUrl = settings.databaseUrl ?? runtime?.databaseUrl ?? null;
  tell(keys(settings, runtime));
  tell(await database(databaseUrl));
  tell(await queue(settings.redis ?? runtime?.redis ?? null));
  const destination = settings.destination ?? (settings.sandbox ? (runtime?.sandbox?.destination ?? null) : null);
  tell(await checkDestination(settings, destination, databaseUrl, options.mailbox ?? null));
  return well;
}

function keys(settings: Settings, runtime: Runtime | null): Finding {
  try {
    const ids = masterKeys(settings, runtime?.sandbox != null)
      .split(',')
      .map((entry) => entry.split(':')[0]?.trim());
    tokenKey(settings.dataDir);
    return { check: 'keys', ok: true, message: `${ids.join(', ')}; the first one seals` };
  } catch (error) {
    return { check: 'keys', ok: false, message: lineOf(error), hint: 'without it no stored password can be opened' };
  }
}

async function database(url: string | null): Promise<Finding> {
  const check = 'database' as const;
  if (!url) return missing(check, 'MAILFERRY_DATABASE_URL');
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: PATIENCE_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ v: string; n: string }>(
      `SELECT current_setting('server_version_num') AS v, current_setting('server_version') AS n`,
    );
    if (Number(rows[0]?.v) < OLDEST_POSTGRES)
      return { check, ok: false, message: `PostgreSQL ${rows[0]?.n}`, hint: 'PostgreSQL 15 or newer is needed' };
    const source = createDataSource({ url, poolSize: 1 });
    await source.initialize();
    try {
      const pending = await pendingMigrations(source);
      if (pending.length)
        return {
          check,
          ok: false,
          message: `${pending.length} SQL migrations are missing`,
          hint: 'run: mailferry migrate-database',
        };
    } finally {
      await source.destroy();
    }
    return { check, ok: true, message: `PostgreSQL ${rows[0]?.n}, up to date` };
  } catch (error) {
    return { check, ok: false, message: lineOf(error), hint: 'check MAILFERRY_DATABASE_URL, and that the server runs' };
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function queue(address: RedisAddress | null): Promise<Finding> {
  const check = 'queue' as const;
  if (!address) return missing(check, 'MAILFERRY_REDIS_URL');
  try {
    const info = await redisInfo(address, PATIENCE_MS);
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? '?';
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
    if (policy !== 'noeviction')
      return {
        check,
        ok: false,
        message: `Redis ${version} with maxmemory-policy ${policy}`,
        hint: 'set maxmemory-policy noeviction',
      };
    return { check, ok: true, message: `Redis ${version}` };
  } catch (error) {
    return { check, ok: false, message: lineOf(error), hint: 'check MAILFERRY_REDIS_URL, and that the server runs' };
  }
}

async function checkDestination(
  settings: Settings,
  destination: DestinationSettings | null,
  databaseUrl: string | null,
  mailbox: string | null,
): Promise<Finding> {
  const check = 'destination' as const;
  if (!destination) return missing(check, 'MAILFERRY_DESTINATION');
  const where = `${destination.imap.host}:${destination.imap.port ?? (destination.imap.security === 'starttls' ? 143 : 993)}`;
  if (!(await answers(destination)))
    return {
      check,
      ok: false,
      message: `${where} does not answer`,
      hint: 'check host and port, and that the server runs',
    };
  if (destination.access.kind === 'user-secret')
    return { check, ok: true, message: `${where} answers; people type their own password` };
  if (!mailbox)
    return {
      check,
      ok: true,
      message: `${where} answers`,
      hint: 'with --mailbox ADDRESS the way into a mailbox is tried, too',
    };
  if (!databaseUrl) return { check, ok: false, message: 'without a database no mailbox is known' };
  const store = new StandaloneStore(databaseUrl);
  try {
    const panel = new StandalonePanel({ settings, destination, sandbox: false, store });
    const who: Principal = {
      sub: 'doctor',
      tenantId: DEFAULT_TENANT,
      role: 'support',
      domains: [],
      mailboxes: [],
      locale: 'en',
    };
    const ref = { tenantId: who.tenantId, address: mailbox.toLowerCase() };
    if (!(await panel.getMailbox(ref)))
      return {
        check,
        ok: false,
        message: `${mailbox} is not a known mailbox`,
        hint: "add its domain to the destination's domains, or name it in a token",
      };
    await signIn(await panel.openDestination(ref));
    return { check, ok: true, message: `${where} opens ${mailbox}` };
  } catch (error) {
    return {
      check,
      ok: false,
      message: `${where}: ${lineOf(error)}`,
      hint: 'check the access of the destination and its secret',
    };
  } finally {
    await store.close();
  }
}

async function signIn(grant: DestinationGrant): Promise<void> {
  const { endpoint } = grant;
  if (grant.secret === null) throw new Error('no secret');
  const pass = await grant.secret.reveal();
  const client = new ImapFlow({
    host: endpoint.host,
    port: endpoint.port,
    secure: endpoint.security === 'tls',
    doSTARTTLS: endpoint.security === 'starttls',
    ...(endpoint.ca ? { tls: { ca: endpoint.ca } } : {}),
    auth:
      grant.kind === 'imap-authzid'
        ? { user: grant.authcid, pass, authzid: grant.authzid }
        : { user: grant.login, pass },
    connectionTimeout: PATIENCE_MS,
    greetingTimeout: PATIENCE_MS,
    logger: false,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    const { authenticationFailed, responseText, message } = error as Error & {
      authenticationFailed?: boolean;
      responseText?: string;
    };
    // The server's words may repeat what it was sent.
    throw new Error(
      authenticationFailed ? 'the sign-in was refused' : (responseText ?? message).replaceAll(pass, '***'),
      { cause: error },
    );
  } finally {
    client.close();
  }
}

function answers({ imap }: DestinationSettings): Promise<boolean> {
  const port = imap.port ?? ((imap.security ?? 'tls') === 'tls' ? 993 : 143);
  return new Promise((done) => {
    const socket = connect({ host: imap.host, port });
    const finish = (up: boolean): void => {
      socket.destroy();
      done(up);
    };
    socket.setTimeout(PATIENCE_MS, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

function missing(check: Finding['check'], variable: string): Finding {
  return {
    check,
    ok: false,
    message: `${variable} is not set and npm start is not running here`,
    hint: `set ${variable}, or run npm start`,
  };
}

/** One line; a URL's password is taken out. */
function lineOf(error: unknown): string {
  const { message, code } = error as Error & { code?: string };
  return (message || code || 'unknown').split('\n')[0]!.replace(/:\/\/([^:@/\s]*):[^@\s]*@/g, '://$1:***@');
}
