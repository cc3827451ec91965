import { randomBytes, randomUUID } from 'node:crypto';
import { Module, type Logger, type LoggerService } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { exportSPKI, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import type { Principal } from '../../src/panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS } from '../../src/panel/options.js';
import { resolveOptions, type PluginOptions } from '../../src/plugin-options.js';
import { SESSION_STORE, SESSION_MS, type SessionStore } from '../../src/web/auth/session-store.js';
import {
  BATCHES_API,
  AUDIT_API,
  CONNECTION_TESTS_API,
  FLEET_API,
  PASSWORD_LINKS_API,
  UPLOADS_API,
  SUPPORT_API,
  JOBS_API,
  PROGRESS_API,
  REPORTS_API,
  WEB_DATABASE,
  WEB_QUEUE,
} from '../../src/web/tokens.js';
import { WebModule } from '../../src/web/web.module.js';
import { FakeBatches } from '../fakes/fake-batches.js';
import { FakeRoom } from '../fakes/fake-jobs.js';
import { FakeAudit, FakeFleet, FakeLinks, FakeSupport } from '../fakes/fake-support.js';
import { FakePanel } from '../fakes/fake-panel.js';

export const ISSUER = 'https://panel.test';

/** Sessions and used tokens in memory. */
export class MemorySessions implements SessionStore {
  readonly open_ = new Map<string, { principal: Principal; until: number }>();
  private readonly used = new Set<string>();
  async useToken(issuer: string, jti: string): Promise<boolean> {
    const key = JSON.stringify([issuer, jti]);
    if (this.used.has(key)) return false;
    this.used.add(key);
    return true;
  }
  async open(principal: Principal): Promise<string> {
    const secret = randomBytes(32).toString('base64url');
    this.open_.set(secret, { principal, until: Date.now() + SESSION_MS });
    return secret;
  }
  async find(secret: string): Promise<Principal | null> {
    const session = this.open_.get(secret);
    return session !== undefined && session.until > Date.now() ? session.principal : null;
  }
  async close(secret: string): Promise<void> {
    this.open_.delete(secret);
  }
}

/** Answers of the database and the queue, as the health page asks them. */
export class FakeInfrastructure {
  workers = 1;
  queueUp = true;
  /** Throw, or never answer. */
  database: 'up' | 'down' | 'hangs' = 'up';
  queries = 0;

  query = async (sql: string): Promise<unknown> => {
    this.queries += 1;
    if (this.database === 'down') throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    if (this.database === 'hangs') return new Promise(() => undefined);
    if (sql.includes('mailferry.workers')) return [{ n: this.workers, draining: 'false' }];
    if (sql.includes('GROUP BY state')) return [{ state: 'running', n: 2 }];
    return [];
  };
  isUp = async (): Promise<boolean> => this.queueUp;
  waiting = async () => (this.queueUp ? { runs: 1, tests: 0 } : null);
}

export interface WebApp {
  readonly app: NestExpressApplication;
  readonly server: ReturnType<NestExpressApplication['getHttpServer']>;
  readonly room: FakeRoom;
  readonly batches: FakeBatches;
  readonly support: FakeSupport;
  readonly fleet: FakeFleet;
  readonly audit: FakeAudit;
  readonly links: FakeLinks;
  readonly panel: FakePanel;
  readonly sessions: MemorySessions;
  readonly infrastructure: FakeInfrastructure;
  /** Lines of the host's log. */
  readonly log: string[];
  readonly privateKey: CryptoKey;
  /** SPKI PEM of the configured issuer. */
  readonly publicKey: string;
  token(
    claims: Record<string, unknown>,
    header?: { aud?: string; iss?: string; ttl?: number; iat?: number },
  ): Promise<string>;
  close(): Promise<void>;
}

/** The web half in a Nest application, over fakes. `bodyParser: true` is a host that parses bodies itself. */
export async function startWeb(
  options: Partial<PluginOptions> = {},
  host: { bodyParser?: boolean; prefix?: string; prepare?: (app: NestExpressApplication) => void } = {},
): Promise<WebApp> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const spki = await exportSPKI(publicKey);
  const room = new FakeRoom();
  const batches = new FakeBatches();
  const support = new FakeSupport(room);
  const fleet = new FakeFleet();
  const audit = new FakeAudit();
  const links = new FakeLinks(room);
  const panel = (options.panel as FakePanel | undefined) ?? new FakePanel();
  const sessions = new MemorySessions();
  const infrastructure = new FakeInfrastructure();
  const log: string[] = [];
  const resolved = resolveOptions({
    databaseUrl: 'postgres://unused',
    redis: { url: 'redis://unused' },
    keys: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
    issuers: [{ iss: ISSUER, publicKey: spki }],
    ...options,
    panel,
  });
  const needs = [
    { provide: PLUGIN_OPTIONS, useValue: resolved },
    { provide: HOST_PANEL, useValue: panel },
    { provide: JOBS_API, useValue: room.jobs },
    { provide: BATCHES_API, useValue: batches },
    { provide: CONNECTION_TESTS_API, useValue: room.tests },
    { provide: PROGRESS_API, useValue: room.progress },
    { provide: REPORTS_API, useValue: room.reports },
    { provide: SUPPORT_API, useValue: support },
    { provide: FLEET_API, useValue: fleet },
    { provide: AUDIT_API, useValue: audit },
    { provide: PASSWORD_LINKS_API, useValue: links },
    { provide: UPLOADS_API, useValue: room.uploads },
    { provide: WEB_DATABASE, useValue: infrastructure },
    { provide: WEB_QUEUE, useValue: infrastructure },
  ];
  @Module({ providers: needs, exports: needs })
  class Needs {}

  const testing = await Test.createTestingModule({ imports: [WebModule.register(resolved.basePath, [Needs])] })
    .overrideProvider(SESSION_STORE)
    .useValue(sessions)
    .compile();
  const app = testing.createNestApplication<NestExpressApplication>({
    bodyParser: host.bodyParser ?? false,
    logger: recorder(log),
  });
  if (host.prefix !== undefined) app.setGlobalPrefix(host.prefix);
  host.prepare?.(app);
  await app.init();
  return {
    app,
    server: app.getHttpServer(),
    room,
    batches,
    support,
    fleet,
    audit,
    links,
    panel,
    sessions,
    infrastructure,
    log,
    privateKey,
    publicKey: spki,
    token: (claims, { aud = 'mailferry/api', iss = ISSUER, ttl = 60, iat = now() } = {}) =>
      new SignJWT({ role: 'user', tenant: 't1', ...claims })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(iss)
        .setAudience(aud)
        .setJti(randomUUID())
        .setIssuedAt(iat)
        .setExpirationTime(iat + ttl)
        .sign(privateKey),
    close: () => app.close(),
  };
}

export function now(): number {
  return Math.floor(Date.now() / 1000);
}

function recorder(lines: string[]): LoggerService {
  const note = (message: unknown): void => void lines.push(String(message));
  return {
    log: () => undefined,
    debug: () => undefined,
    verbose: () => undefined,
    error: note,
    warn: note,
    fatal: note,
  } satisfies LoggerService & Partial<Logger>;
}
