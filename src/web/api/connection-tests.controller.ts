import { Body, Get, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import type { Actor, ConnectionTestsApi, Discovered } from '../../jobs/contract.js';
import type { TestView } from '../../jobs/job.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { Access, Acting } from '../auth/access.decorator.js';
import type { Response } from '../http.js';
import { CONNECTION_TESTS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { found, idOf } from './answer.js';
import { partDestination, partSource } from './body.js';
import { DiscoverBody, NewTestBody } from './schemas.js';
import { validate } from './validate.js';

@WebController('api/v1/connection-tests')
export class ConnectionTestsController {
  constructor(
    @Inject(CONNECTION_TESTS_API) private readonly tests: ConnectionTestsApi,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  @Post()
  @Access('api.test')
  async request(@Acting() who: Actor, @Body() body: unknown, @Res() res: Response): Promise<void> {
    const { source, destination, ...rest } = validate(NewTestBody, body);
    const id = await this.tests.request(who, { ...rest, ...partSource(source), ...partDestination(destination) });
    const view = await this.tests.wait(who, id, this.options.limits.testWaitMs);
    answer(res, view ?? pending(id));
  }

  @Post('discover')
  @HttpCode(200)
  @Access('api.test')
  discover(@Acting() who: Actor, @Body() body: unknown): Promise<Discovered> {
    const { address, type } = validate(DiscoverBody, body);
    return this.tests.discover(who, address, type);
  }

  @Get(':id')
  @Access('api.test')
  async result(@Acting() who: Actor, @Param('id') id: string, @Res() res: Response): Promise<void> {
    answer(res, found(await this.tests.get(who, idOf(id))));
  }
}

function answer(res: Response, view: TestView | Pick<TestView, 'id' | 'state'>): void {
  if (view.state === 'done') res.status(200).json(view);
  else res.status(202).json({ id: view.id, state: view.state });
}

function pending(id: string): Pick<TestView, 'id' | 'state'> {
  return { id, state: 'queued' };
}
