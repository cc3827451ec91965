import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { dataSourceOptions } from '../../../database/data-source.js';
import { JOB_ENTITIES } from '../../../jobs/entities.js';
import { JOBS_PROVIDERS } from '../../../jobs/jobs.providers.js';
import { HOST_PANEL, PLUGIN_OPTIONS } from '../../../panel/options.js';
import { type PluginOptions, resolveOptions } from '../../../plugin-options.js';
import { Doorbell } from '../../../queue/doorbell.js';
import type { PatientBell } from './patient-bell.js';

/** The jobs as the web process knows them, without pages. */
@Module({})
export class JobsModule {
  static for(options: PluginOptions, bell: PatientBell): DynamicModule {
    const resolved = resolveOptions(options);
    return {
      module: JobsModule,
      global: true,
      imports: [
        TypeOrmModule.forRoot(dataSourceOptions({ url: resolved.databaseUrl, poolSize: 4, entities: JOB_ENTITIES })),
      ],
      providers: [
        { provide: PLUGIN_OPTIONS, useValue: resolved },
        { provide: HOST_PANEL, useValue: options.panel },
        { provide: Doorbell, useValue: bell },
        ...JOBS_PROVIDERS,
      ],
    };
  }
}
