import { type DynamicModule, Module } from '@nestjs/common';
import { JOBS_PROVIDERS } from './jobs/jobs.providers.js';
import { type AsyncPluginOptions, PluginCoreModule } from './plugin-core.module.js';
import type { PluginOptions } from './plugin-options.js';
import { WORKER_PROVIDERS } from './worker/worker.providers.js';

/**
 * The queue half: runs migrations and connection tests. Always a process of its own, started with TZ=UTC:
 *
 *     const app = await NestFactory.createApplicationContext(MigrationWorkerModule.forRoot(options));
 *     app.enableShutdownHooks();
 *
 * Any number of them may run against one Postgres and one Redis.
 */
@Module({})
export class MigrationWorkerModule {
  static forRoot(options: PluginOptions): DynamicModule {
    return MigrationWorkerModule.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync(options: AsyncPluginOptions): DynamicModule {
    return {
      module: MigrationWorkerModule,
      imports: [PluginCoreModule.register(options)],
      providers: [...JOBS_PROVIDERS, ...WORKER_PROVIDERS],
    };
  }
}
