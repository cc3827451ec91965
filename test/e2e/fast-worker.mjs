// The worker process as dist/src/worker.js starts it, but with a lease of seconds instead of minutes: a test of what happens
// after a kill must not wait that long.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { MigrationWorkerModule } from '../../dist/src/migration-worker.module.js';
import { jsonLogger, stopWithParent } from '../../dist/src/standalone/process.js';
import { compose, pluginOptions } from '../../dist/src/standalone/runtime.js';
import { loadSettings } from '../../dist/src/standalone/settings.js';

// On a machine that is busy with other things a lease of two seconds ends before it is renewed.
const patience = Number(process.env.MAILFERRY_TEST_PATIENCE ?? 1);
const { options } = pluginOptions(compose(loadSettings()));
const app = await NestFactory.createApplicationContext(
  MigrationWorkerModule.forRoot({
    ...options,
    worker: {
      ...options.worker,
      lease: { ttlMs: 2_000 * patience, graceMs: 500, marginMs: 300 },
      sweepMs: 300,
      deadAfterMs: 2_500 * patience,
    },
  }),
  { logger: jsonLogger('info') },
);
app.enableShutdownHooks();
stopWithParent();
