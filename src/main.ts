import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { MigrationPlugin } from './migration.plugin.js';
import { HostModule } from './standalone/host/host.module.js';
import { exitOnError, jsonLogger, stopWithParent } from './standalone/process.js';
import { compose, pluginOptions } from './standalone/runtime.js';
import { loadSettings } from './standalone/settings.js';

@Module({})
class WebProcess {}

/** The web process of the standalone host: its own few pages, and the plugin as a guest. It dials no stranger. */
await exitOnError(async () => {
  const composition = compose(loadSettings());
  const { settings } = composition;
  const { options, panel, store } = pluginOptions(composition);
  const app = await NestFactory.create<NestExpressApplication>(
    {
      module: WebProcess,
      imports: [
        HostModule.register({
          settings,
          panel,
          store,
          keys: options.keys,
          sandbox: composition.sandbox,
          hasDestination: composition.destination !== null,
        }),
        MigrationPlugin.forRoot(options),
      ],
    },
    // Host and plugin read their own bodies, each with its own limits.
    { bodyParser: false, logger: jsonLogger(settings.logLevel) },
  );
  app.disable('x-powered-by');
  app.enableShutdownHooks();
  stopWithParent();
  await app.listen(settings.port, settings.host);
});
