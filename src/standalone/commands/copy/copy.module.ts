import { join } from 'node:path';
import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { randomBytes } from 'node:crypto';
import { dataSourceOptions } from '../../../database/data-source.js';
import { JOB_ENTITIES } from '../../../jobs/entities.js';
import { JOBS_PROVIDERS } from '../../../jobs/jobs.providers.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../../../panel/options.js';
import { resolveOptions } from '../../../plugin-options.js';
import { Doorbell } from '../../../queue/doorbell.js';
import { ReportsService } from '../../../reports/reports.service.js';
import { DestinationAccess } from '../../../worker/destination-access.js';
import { ENDPOINT_PROVIDERS } from '../../../worker/endpoint-providers.js';
import { ENDPOINTS } from '../../../worker/endpoints.js';
import { RecoveryFiles } from '../../../worker/recovery-files.js';
import { RunJob } from '../../../worker/run-job.js';
import { SameMailbox } from '../../../worker/same-mailbox.js';
import { SecretOpener } from '../../../worker/secret-opener.js';
import { SourceSlots } from '../../../worker/source-slots.js';
import { VolumeMeter } from '../../../worker/volume-meter.js';
import type { Settings } from '../../settings.js';
import type { ShellEndpoints } from './shell-endpoints.js';
import { ShellPanel } from './shell-panel.js';
import type { CopyWish } from './wish.js';

/**
 * A lease of the mailbox, in ms. Shorter than a worker's: somebody who was cut off sits there and waits to go on, and
 * one process renews one lease.
 */
export const SHELL_LEASE = { ttlMs: 20_000, graceMs: 30_000, marginMs: 10_000, renewMs: 4_000, pollMs: 500 };

export interface CopyParts {
  readonly settings: Settings;
  readonly databaseUrl: string;
  readonly wish: CopyWish;
  /** The new mailbox as the job names it. */
  readonly mailbox: string;
  readonly passwords: { readonly from: string; readonly to: string };
  readonly endpoints: ShellEndpoints;
  readonly lease: typeof SHELL_LEASE;
}

/** No queue, no pages, no sealed secrets: the worker's own run of a job, with both passwords in this process' memory only. */
@Module({})
export class CopyModule {
  static for({ settings, databaseUrl, wish, mailbox, passwords, endpoints, lease }: CopyParts): DynamicModule {
    const panel = new ShellPanel(wish.to, passwords.to, mailbox);
    const options: ResolvedOptions = resolveOptions({
      panel,
      databaseUrl,
      redis: { path: '/none' },
      // Nothing is sealed here: a key for this process' life.
      keys: `shell:${randomBytes(32).toString('base64')}`,
      egress: { allowPrivate: true },
      worker: {
        connections: settings.workerConnections,
        hostConnections: settings.hostConnections,
        hostLimits: settings.hostLimits,
        lease,
        dataDir: join(settings.dataDir, 'worker'),
      },
    });
    const secrets = { source: { password: passwords.from }, destination: null };
    return {
      module: CopyModule,
      global: true,
      imports: [TypeOrmModule.forRoot(dataSourceOptions({ url: databaseUrl, poolSize: 6, entities: JOB_ENTITIES }))],
      providers: [
        { provide: PLUGIN_OPTIONS, useValue: options },
        { provide: HOST_PANEL, useValue: panel },
        { provide: Doorbell, useValue: SILENT },
        ...JOBS_PROVIDERS,
        DestinationAccess,
        SameMailbox,
        RecoveryFiles,
        RunJob,
        ...ENDPOINT_PROVIDERS,
        ReportsService,
        { provide: SecretOpener, useValue: { openJob: () => Promise.resolve(secrets) } },
        SourceSlots,
        {
          provide: ENDPOINTS,
          inject: [SourceSlots, VolumeMeter],
          useFactory: (slots: SourceSlots, meter: VolumeMeter) => endpoints.within({ slots, meter }),
        },
      ],
    };
  }
}

/** Nobody needs to be told: this process does the work. */
const SILENT: Pick<Doorbell, 'ringRun' | 'ringTest'> = {
  ringRun: () => Promise.resolve(true),
  ringTest: () => Promise.resolve(true),
};
