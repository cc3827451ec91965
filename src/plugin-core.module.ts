import {
  type DynamicModule,
  Injectable,
  Logger,
  Module,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { DATA_SOURCE, dataSourceOptions } from './database/data-source.js';
import { JOB_ENTITIES } from './jobs/entities.js';
import type { HostPanel } from './panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from './panel/options.js';
import { loadManifest } from './plugin-manifest.js';
import { type PluginOptions, resolveOptions } from './plugin-options.js';
import { QueueModule } from './queue/queue.module.js';

/** How the options come: as they are, or from a factory of the host's. */
export interface AsyncPluginOptions {
  readonly imports?: DynamicModule['imports'];
  readonly inject?: readonly (string | symbol | (abstract new (...args: never[]) => unknown))[];
  readonly useFactory: (...args: never[]) => PluginOptions | Promise<PluginOptions>;
}

/** Pause between attempts to reach a database that is away (ms), and how long a start waits for the first one. */
const RETRY_MS = 2_000;
const FIRST_WAIT_MS = 10_000;

/**
 * Connects in the background when the database is away at the start: a panel must not fail to start because of its
 * guest. Until then every request of ours answers that the service is not available.
 */
@Injectable()
class DatabaseStarter implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('mailferry:database');
  private readonly stop = new AbortController();

  constructor(@InjectDataSource(DATA_SOURCE) private readonly database: DataSource) {}

  async onModuleInit(): Promise<void> {
    const connected = this.connect();
    await Promise.race([
      connected,
      delay(FIRST_WAIT_MS, undefined, { signal: this.stop.signal, ref: false }).catch(() => undefined),
    ]);
  }

  async onModuleDestroy(): Promise<void> {
    this.stop.abort();
  }

  private async connect(): Promise<void> {
    while (!this.stop.signal.aborted && !this.database.isInitialized) {
      try {
        await this.database.initialize();
      } catch (error) {
        this.logger.error(`the database cannot be reached, trying again: ${(error as Error).message}`);
        await delay(RETRY_MS, undefined, { signal: this.stop.signal }).catch(() => undefined);
      }
    }
  }
}

const LOADED = Symbol('mailferry.loaded');

/** Options, panel, data source and queue: what both halves of the plugin stand on. The manifest is checked first. */
@Module({})
export class PluginCoreModule {
  static register(options: AsyncPluginOptions): DynamicModule {
    const loaded: DynamicModule = {
      module: OptionsModule,
      imports: options.imports,
      providers: [
        {
          provide: LOADED,
          inject: [...(options.inject ?? [])] as never[],
          useFactory: async (...args: never[]): Promise<{ panel: HostPanel; options: ResolvedOptions }> => {
            const given = await options.useFactory(...args);
            const resolved = resolveOptions(given);
            loadManifest(resolved.packageDir, given.panel.apiVersion);
            return { panel: given.panel, options: resolved };
          },
        },
        { provide: PLUGIN_OPTIONS, inject: [LOADED], useFactory: (all: { options: ResolvedOptions }) => all.options },
        { provide: HOST_PANEL, inject: [LOADED], useFactory: (all: { panel: HostPanel }) => all.panel },
      ],
      exports: [PLUGIN_OPTIONS, HOST_PANEL],
    };
    return {
      module: PluginCoreModule,
      imports: [
        loaded,
        TypeOrmModule.forRootAsync({
          name: DATA_SOURCE,
          imports: [loaded],
          inject: [PLUGIN_OPTIONS],
          useFactory: ({ databaseUrl, databasePool }: ResolvedOptions) => ({
            ...dataSourceOptions({ url: databaseUrl, poolSize: databasePool, entities: JOB_ENTITIES }),
            manualInitialization: true,
          }),
        }),
        QueueModule.registerAsync({
          imports: [loaded],
          inject: [PLUGIN_OPTIONS],
          useFactory: ({ redis }: ResolvedOptions) => redis,
        }),
      ],
      providers: [DatabaseStarter],
      exports: [loaded, QueueModule],
    };
  }
}

@Module({})
class OptionsModule {}
