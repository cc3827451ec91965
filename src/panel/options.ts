import type { ItemKind } from '../mailbox/kinds.js';
import type { JobNotice } from './host-panel.js';

/** Injection token of ResolvedOptions, in both halves of the plugin. */
export const PLUGIN_OPTIONS = Symbol('mailferry.options');
/** Injection token of the HostPanel, in both halves of the plugin. */
export const HOST_PANEL = Symbol('mailferry.panel');

/** Where Bull's Redis is. */
export type RedisAddress = { readonly url: string } | { readonly path: string };

/** Whose tokens are accepted. Either one public key (SPKI PEM or JWK JSON text) or a set of them (JWKS JSON text). */
export interface TokenIssuer {
  readonly iss: string;
  readonly publicKey?: string;
  readonly jwks?: string;
  readonly algs?: readonly ('ES256' | 'EdDSA')[];
}

/** Ports mail and groupware answer on; the operator can add to them. */
export const DEFAULT_PORTS: readonly number[] = [143, 993, 443, 8443];

/** What a person at the keyboard may make us dial. */
export interface EgressPolicy {
  /** True only for tests and closed networks: any address and any port. */
  readonly allowPrivate: boolean;
  /** True: `security: 'none'` may be chosen. */
  readonly allowPlaintext: boolean;
  readonly ports: readonly number[];
  /** CIDR ranges that may be dialled although they are not public. */
  readonly allowedRanges: readonly string[];
}

export interface Limits {
  /** Connection tests a minute and person. */
  readonly testsPerMinute: number;
  /** Wrong passwords for one remote account before no further sign-in is tried, and for how long (minutes). */
  readonly wrongPasswords: number;
  readonly lockMinutes: number;
  /** Hours a failed or incomplete migration keeps its sealed secrets. */
  readonly keepSecretsHours: number;
  /** Least milliseconds a connection test's answer takes, so that time tells nothing. */
  readonly testFloorMs: number;
  /** How long POST /connection-tests waits for the result (ms). */
  readonly testWaitMs: number;
}

export interface WorkerOptions {
  /** Migrations at once in this process. */
  readonly jobs: number;
  /** Connections of one migration to its old account, at most; a provider that bears fewer is known to (src/providers). */
  readonly connections: number;
  /** Connections to one old server over all workers, at most; `hostLimits` has those that bear another number, by their names. */
  readonly hostConnections: number;
  readonly hostLimits: Readonly<Record<string, number>>;
  /** Migrations of one tenant at once over all workers; null: any number. */
  readonly tenantJobs: number | null;
  readonly dataDir: string;
  /** Bytes of bodies in memory over all migrations of the process, and in temp files. */
  readonly memoryBudget: number;
  readonly diskBudget: number;
  readonly lease: { readonly ttlMs: number; readonly graceMs: number; readonly marginMs: number };
  /** How often the sweeper looks, and after which silence of its worker a run is taken back (ms). */
  readonly sweepMs: number;
  readonly deadAfterMs: number;
}

/** Somebody's program that hears of what happens to migrations. */
export interface Webhook {
  /** https, to a public address (egress decides as for everything that is dialled). */
  readonly url: string;
  /** At least 16 characters; `whsec_` and base64 as Standard Webhooks has it, or any text. */
  readonly secret: string;
  /** Left out: all. */
  readonly events?: readonly JobNotice[];
}

/** Everything the plugin was told, with defaults filled in. Made by src/plugin-options.ts. */
export interface ResolvedOptions {
  readonly databaseUrl: string;
  readonly databasePool: number;
  readonly redis: RedisAddress;
  /** `id:base64 of 32 bytes[,...]`; the first one seals. */
  readonly keys: string;
  /** Starts with '/', without a final one. '' is allowed for a host name of its own. */
  readonly basePath: string;
  /** Scheme and host people use, when it is known; decides about Secure cookies. */
  readonly publicUrl: string | null;
  readonly issuers: readonly TokenIssuer[];
  readonly egress: EgressPolicy;
  readonly limits: Limits;
  readonly worker: WorkerOptions;
  /** Origins that may show the pages in an iframe; empty: none but ourselves. */
  readonly frameAncestors: readonly string[];
  /** Who may read {base}/metrics: only this machine, or also whoever holds the token. */
  readonly metricsToken: string | null;
  /** Whether the customer must type the new mailbox's password (the panel's access is `user-secret`). */
  readonly destinationNeedsSecret: boolean;
  /** What can be written into the new mailboxes: more than mail where the panel gives a DAV endpoint. */
  readonly destinationTakes: readonly ItemKind[];
  /** Names of the destination's hosts, to refuse a source that is the destination. */
  readonly destinationHosts: readonly string[];
  readonly webhooks: readonly Webhook[];
  /** Folder with views/, schemas/ and plugin.manifest.json. */
  readonly packageDir: string;
  /** pino level. */
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}
