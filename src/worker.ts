import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { MigrationWorkerModule } from './migration-worker.module.js';
import { exitOnError, jsonLogger, stopWithParent } from './standalone/process.js';
import { compose, pluginOptions } from './standalone/runtime.js';
import { loadSettings } from './standalone/settings.js';

// Before anything reads a clock: libraries in the worker take the process's zone for the user's (DESIGN section 3).
process.env['TZ'] = 'UTC';

/** The worker process: it alone opens old providers and new mailboxes. Any number may run. */
await exitOnError(async () => {
  const composition = compose(loadSettings());
  const { options } = pluginOptions(composition);
  const app = await NestFactory.createApplicationContext(MigrationWorkerModule.forRoot(options), {
    logger: jsonLogger(composition.settings.logLevel),
  });
  app.enableShutdownHooks();
  stopWithParent();
});
