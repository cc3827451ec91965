import { applyDecorators, Controller, UseFilters, UseGuards } from '@nestjs/common';
import { AccessGuard } from './auth/access.guard.js';
import { ProblemFilter } from './problem.filter.js';

/**
 * A controller of ours: guarded by the access table, its errors shown our way. Everything by decorator, because
 * whatever is global belongs to the host. Every route needs `@Access('...')`.
 *
 * Handlers answer through `@Res()`: the host's global interceptors may wrap what a handler returns.
 */
export const WebController = (path = ''): ClassDecorator =>
  applyDecorators(Controller(path), UseGuards(AccessGuard), UseFilters(ProblemFilter));
