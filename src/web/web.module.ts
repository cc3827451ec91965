import {
  Inject,
  Module,
  type DynamicModule,
  type MiddlewareConsumer,
  type ModuleMetadata,
  type NestModule,
  type Type,
} from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { BatchesController } from './api/batches.controller.js';
import { ConnectionTestsController } from './api/connection-tests.controller.js';
import { EventStreams } from './api/event-streams.js';
import { EventsController } from './api/events.controller.js';
import { FilesController } from './api/files.controller.js';
import { JobsController } from './api/jobs.controller.js';
import { OpenApiController } from './api/openapi.controller.js';
import { ReportsController } from './api/reports.controller.js';
import { AccessGuard } from './auth/access.guard.js';
import { WebKeys } from './auth/csrf.js';
import { Identity } from './auth/identity.js';
import { PostgresSessions, SESSION_STORE } from './auth/session-store.js';
import { Tokens } from './auth/tokens.js';
import { readBody } from './body.middleware.js';
import { CountRequests } from './count-requests.js';
import { Health } from './health/health.js';
import { HealthController } from './health/health.controller.js';
import { Metrics } from './health/metrics.js';
import { PAGE_CONTROLLERS, PAGE_PROVIDERS } from './pages.js';
import { ProblemFilter } from './problem.filter.js';
import { AssetsController } from './render/assets.controller.js';
import { Renderer } from './render/renderer.js';
import { securityHeaders } from './security-headers.js';
import { SignInController } from './sign-in/sign-in.controller.js';
import { Site } from './site.js';
import { UnknownController } from './unknown.controller.js';
import { WidgetController } from './widget/widget.controller.js';

export const API_CONTROLLERS: Type[] = [
  OpenApiController,
  ConnectionTestsController,
  EventsController,
  ReportsController,
  FilesController,
  JobsController,
  BatchesController,
];
export const SITE_CONTROLLERS: Type[] = [AssetsController, SignInController, HealthController, WidgetController];

/** Every controller of ours; a test walks their routes. */
export function controllersFor(basePath: string): Type[] {
  const all = [...SITE_CONTROLLERS, ...API_CONTROLLERS, ...PAGE_CONTROLLERS];
  // With a base path of our own, whatever else is asked below it gets our 404; without one it is the host's.
  return basePath === '' ? all : [...all, UnknownController];
}

/** Everything that answers HTTP. It adds nothing global: guards and filters by decorator, middleware for our routes. */
@Module({})
export class WebModule implements NestModule {
  constructor(@Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions) {}

  /**
   * @param imports modules that export PLUGIN_OPTIONS, HOST_PANEL and the tokens of tokens.ts.
   * @param basePath where the routes are laid, after the host's own global prefix.
   */
  static register(basePath: string, imports: ModuleMetadata['imports'] = []): DynamicModule {
    return {
      module: WebModule,
      imports: [
        ...imports,
        ...(basePath === '' ? [] : [RouterModule.register([{ path: basePath, module: WebModule }])]),
      ],
      controllers: controllersFor(basePath),
      providers: [
        Site,
        WebKeys,
        Tokens,
        Identity,
        { provide: SESSION_STORE, useClass: PostgresSessions },
        AccessGuard,
        ProblemFilter,
        Renderer,
        EventStreams,
        Health,
        Metrics,
        CountRequests,
        ...PAGE_PROVIDERS,
      ],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply(securityHeaders(this.options.frameAncestors), readBody, CountRequests)
      .forRoutes(...controllersFor(this.options.basePath));
  }
}
