import { type DynamicModule, type MiddlewareConsumer, Module, type NestModule } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import { HOST_OPTIONS, HostController, type HostOptions } from './host.controller.js';

const headers = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      formAction: ["'self'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  // Whether there is https is the operator's business; on a LAN there is none.
  strictTransportSecurity: false,
  crossOriginEmbedderPolicy: false,
  referrerPolicy: { policy: 'same-origin' },
});

/** The standalone host's own routes. The plugin beside it is a guest, as it would be in any other panel. */
@Module({})
export class HostModule implements NestModule {
  static register(options: HostOptions): DynamicModule {
    return {
      module: HostModule,
      controllers: [HostController],
      providers: [{ provide: HOST_OPTIONS, useValue: options }],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply((request: Request, response: Response, next: NextFunction) => {
        response.setHeader('Cache-Control', 'no-store');
        headers(request, response, next);
      })
      .forRoutes(HostController);
  }
}
