import { BullModule } from '@nestjs/bull';
import { type DynamicModule, Module, type ModuleMetadata } from '@nestjs/common';
import type Bull from 'bull';
import { Doorbell } from './doorbell.js';
import { CONFIG_KEY, QUEUE_PREFIX, RUNS_QUEUE, TESTS_QUEUE } from './names.js';

/** Where Redis is: a URL (redis:// or rediss://) or the path of a socket. */
export type RedisPlace = { readonly url: string } | { readonly path: string };

export interface QueueModuleOptions {
  readonly imports?: ModuleMetadata['imports'];
  readonly inject: (string | symbol | (abstract new (...args: never[]) => unknown))[];
  readonly useFactory: (...args: never[]) => RedisPlace | Promise<RedisPlace>;
}

/** Longest pause between two attempts to reach a Redis that is away (ms). */
const RECONNECT_MS = 2_000;

/** A lock outlives a busy event loop; a run is never redone for being slow (the lease in Postgres decides that). */
const SETTINGS: Bull.AdvancedSettings = { lockDuration: 60_000, stalledInterval: 30_000, maxStalledCount: 1_000 };

/**
 * The two queues and their Doorbell, for both halves of the plugin. They have a configuration key and a prefix of their
 * own, so that they never meet a host panel's queues. The braces keep the keys in one slot of a Redis cluster.
 */
@Module({})
export class QueueModule {
  static registerAsync(options: QueueModuleOptions): DynamicModule {
    return {
      module: QueueModule,
      imports: [
        BullModule.forRootAsync(CONFIG_KEY, {
          imports: options.imports,
          inject: options.inject as never[],
          useFactory: async (...args: unknown[]) => queueOptions(await options.useFactory(...(args as never[]))),
        }),
        BullModule.registerQueue(
          { name: RUNS_QUEUE, configKey: CONFIG_KEY },
          { name: TESTS_QUEUE, configKey: CONFIG_KEY },
        ),
      ],
      providers: [Doorbell],
      exports: [Doorbell, BullModule],
    };
  }
}

export function queueOptions(place: RedisPlace): Bull.QueueOptions {
  return {
    redis: redisOptions(place),
    prefix: QUEUE_PREFIX,
    settings: SETTINGS,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1 },
  };
}

/** Bull reads URLs itself, but knows neither TLS nor escaped passwords. */
export function redisOptions(place: RedisPlace): Bull.QueueOptions['redis'] & object {
  const patience = {
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
    retryStrategy: (times: number): number => Math.min(50 * 2 ** Math.min(times, 10), RECONNECT_MS),
  };
  if ('path' in place) return { ...patience, path: place.path };
  const url = new URL(place.url);
  const db = Number(url.pathname.slice(1) || 0);
  return {
    ...patience,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    db: Number.isInteger(db) ? db : 0,
    ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
    ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}
