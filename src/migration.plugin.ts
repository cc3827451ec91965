import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { BATCH_WEB_PROVIDERS } from './batches/batches.providers.js';
import { BatchesService } from './batches/batches.service.js';
import { DATA_SOURCE } from './database/data-source.js';
import { ConnectionTestsService } from './jobs/connection-tests.service.js';
import { JOBS_PROVIDERS } from './jobs/jobs.providers.js';
import { JobsService } from './jobs/jobs.service.js';
import { type AsyncPluginOptions, PluginCoreModule } from './plugin-core.module.js';
import { type PluginOptions, resolveOptions } from './plugin-options.js';
import { ProgressReader } from './progress/progress-reader.js';
import { Doorbell } from './queue/doorbell.js';
import { PasswordLinks } from './jobs/password-links.js';
import { Uploads } from './jobs/uploads.js';
import { ReportsService } from './reports/reports.service.js';
import { AuditReader } from './support/audit-reader.js';
import { FleetService } from './support/fleet.js';
import { SUPPORT_PROVIDERS } from './support/support.providers.js';
import { SupportService } from './support/support.service.js';
import {
  AUDIT_API,
  BATCHES_API,
  CONNECTION_TESTS_API,
  FLEET_API,
  JOBS_API,
  PASSWORD_LINKS_API,
  UPLOADS_API,
  PROGRESS_API,
  REPORTS_API,
  SUPPORT_API,
  WEB_DATABASE,
  WEB_QUEUE,
} from './web/tokens.js';
import { WebModule } from './web/web.module.js';

const WEB_NEEDS: Provider[] = [
  ...JOBS_PROVIDERS,
  ...BATCH_WEB_PROVIDERS,
  ProgressReader,
  ReportsService,
  ...SUPPORT_PROVIDERS,
  { provide: SUPPORT_API, useExisting: SupportService },
  { provide: FLEET_API, useExisting: FleetService },
  { provide: AUDIT_API, useExisting: AuditReader },
  { provide: PASSWORD_LINKS_API, useExisting: PasswordLinks },
  { provide: JOBS_API, useExisting: JobsService },
  { provide: UPLOADS_API, useExisting: Uploads },
  { provide: BATCHES_API, useExisting: BatchesService },
  { provide: CONNECTION_TESTS_API, useExisting: ConnectionTestsService },
  { provide: PROGRESS_API, useExisting: ProgressReader },
  { provide: REPORTS_API, useExisting: ReportsService },
  { provide: WEB_DATABASE, useExisting: getDataSourceToken(DATA_SOURCE) },
  { provide: WEB_QUEUE, useExisting: Doorbell },
];

@Module({})
class ServicesModule {}

/**
 * The web half: pages, JSON API, events, health. It dials nobody; the worker does (MigrationWorkerModule).
 *
 * It is a quiet guest: no global guard, pipe, filter or interceptor, no view engine, no route outside the base path. Its
 * data source, Postgres schema, queues and Handlebars are its own. Apply the SQL migrations first
 * (`mailferry migrate-database`).
 */
@Module({})
export class MigrationPlugin {
  static forRoot(options: PluginOptions): DynamicModule {
    return MigrationPlugin.build(resolveOptions(options).basePath, { useFactory: () => options });
  }

  /** @param options `basePath` must be known before the factory runs: routes are laid when modules load. */
  static forRootAsync(options: AsyncPluginOptions & { readonly basePath?: string }): DynamicModule {
    const basePath = options.basePath ?? '/migrate';
    return MigrationPlugin.build(basePath, {
      ...options,
      useFactory: async (...args: never[]) => ({ ...(await options.useFactory(...args)), basePath }),
    });
  }

  private static build(basePath: string, options: AsyncPluginOptions): DynamicModule {
    const core = PluginCoreModule.register(options);
    const services: DynamicModule = {
      module: ServicesModule,
      imports: [core],
      providers: WEB_NEEDS,
      exports: [core, ...WEB_NEEDS],
    };
    return { module: MigrationPlugin, imports: [WebModule.register(basePath, [services])] };
  }
}
