// The worker process as dist/src/worker.js starts it, but with a lease of seconds instead of minutes: a test of what happens
// after a kill must not wait that long.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { MigrationWorkerModule } from '../../dist/src/migration-worker.module.js';
import { jsonLogger, stopWithParent } from '../../dist/src/standalone/process.js';
import { compose, pluginOptions } from '../../dist/src/standalone/runtime.js';
import { loadSettings } from '../../dist/src/standalone/settings.js';

const { options } = pluginOptions(compose(loadSettings()));
const app = await NestFactory.createApplicationContext(
  MigrationWorkerModule.forRoot({
    ...options,
    worker: {
      ...options.worker,
      lease: { ttlMs: 2_000, graceMs: 500, marginMs: 300 },
      sweepMs: 300,
      deadAfterMs: 2_500,
    },
  }),
  { logger: jsonLogger('info') },
);
app.enableShutdownHooks();
stopWithParent();
