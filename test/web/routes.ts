import 'reflect-metadata';
import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/internal.js';
import { ACCESS_KEY } from '../../src/web/auth/access.decorator.js';
import { controllersFor } from '../../src/web/web.module.js';

export interface Route {
  readonly controller: string;
  readonly handler: string;
  readonly method: string;
  /** Below the base path, with `:id`. */
  readonly path: string;
  readonly access: string | undefined;
}

/** Every route of ours, read from what Nest itself reads. */
export function allRoutes(): Route[] {
  return controllersFor('/migrate').flatMap(routesOf);
}

function routesOf(controller: Type): Route[] {
  const base = String(Reflect.getMetadata(PATH_METADATA, controller) ?? '');
  const prototype = controller.prototype as Record<string, unknown>;
  return Object.getOwnPropertyNames(prototype).flatMap((handler) => {
    const method = prototype[handler];
    if (handler === 'constructor' || typeof method !== 'function') return [];
    const verb = Reflect.getMetadata(METHOD_METADATA, method) as RequestMethod | undefined;
    if (verb === undefined) return [];
    const paths = [Reflect.getMetadata(PATH_METADATA, method) as string | string[]].flat();
    return paths.map((path) => ({
      controller: controller.name,
      handler,
      method: RequestMethod[verb],
      path: `/${[base, path]
        .map((part) => part.replace(/^\/+|\/+$/g, ''))
        .filter((part) => part !== '')
        .join('/')}`,
      access: (Reflect.getMetadata(ACCESS_KEY, method) ?? Reflect.getMetadata(ACCESS_KEY, controller)) as
        string | undefined,
    }));
  });
}
