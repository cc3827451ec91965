import { Body, Delete, Get, Headers, Inject, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import type { Actor, JobsApi, Visibility } from '../../jobs/contract.js';
import { Access, Acting, Sees } from '../auth/access.decorator.js';
import type { Response } from '../http.js';
import { Site } from '../site.js';
import { JOBS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { WebError, notFound } from '../web-error.js';
import { found, idOf } from './answer.js';
import { partDestination, partSource, secretOf } from './body.js';
import { Action, BulkBody, CredentialsBody, IdempotencyKey, JobsQuery, NewJobBody, PatchJobBody } from './schemas.js';
import { validate } from './validate.js';

@WebController('api/v1/jobs')
export class JobsController {
  constructor(
    @Inject(JOBS_API) private readonly jobs: JobsApi,
    private readonly site: Site,
  ) {}

  @Post()
  @Access('api.job.write')
  async create(
    @Acting() who: Actor,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Res() res: Response,
  ): Promise<void> {
    const idempotencyKey = IdempotencyKey.safeParse(key);
    if (!idempotencyKey.success)
      throw new WebError('VALIDATION', 'Idempotency-Key must be 1 to 200 visible ASCII characters.', {
        'Idempotency-Key': 'has the wrong form',
      });
    const { source, destination, ...rest } = validate(NewJobBody, body);
    const { job, replayed } = await this.jobs.create(who, {
      ...rest,
      ...partSource(source),
      ...partDestination(destination),
      ...(idempotencyKey.data !== undefined && { idempotencyKey: idempotencyKey.data }),
    });
    // The same answer as the first time, so that a script that lost it need not tell them apart.
    if (replayed) res.setHeader('Idempotency-Replayed', 'true');
    res
      .status(201)
      .location(this.site.absolute(`/api/v1/jobs/${job.id}`))
      .json(job);
  }

  @Get()
  @Access('api.job.read')
  async list(@Sees() visibility: Visibility, @Query() query: unknown, @Res() res: Response): Promise<void> {
    res.json(await this.jobs.list(visibility, validate(JobsQuery, query)));
  }

  @Post('bulk')
  @Access('api.job.bulk')
  async bulk(@Acting() who: Actor, @Body() body: unknown, @Res() res: Response): Promise<void> {
    const { action, ids, filter } = validate(BulkBody, body);
    res.status(200).json(await this.jobs.bulk(who, action, ids === undefined ? { filter: filter ?? {} } : { ids }));
  }

  @Get(':id')
  @Access('api.job.read')
  async get(@Sees() visibility: Visibility, @Param('id') id: string, @Res() res: Response): Promise<void> {
    res.json(found(await this.jobs.get(visibility, idOf(id))));
  }

  @Patch(':id')
  @Access('api.job.write')
  async patch(
    @Acting() who: Actor,
    @Param('id') id: string,
    @Body() body: unknown,
    @Res() res: Response,
  ): Promise<void> {
    const job = idOf(id);
    const { source, destination, ...rest } = validate(PatchJobBody, body);
    res.json(await this.jobs.patch(who, job, { ...rest, ...partSource(source), ...partDestination(destination) }));
  }

  @Delete(':id')
  @Access('api.job.erase')
  async erase(@Acting() who: Actor, @Param('id') id: string, @Res() res: Response): Promise<void> {
    await this.jobs.erase(who, idOf(id));
    res.status(204).end();
  }

  @Put(':id/credentials')
  @Access('api.job.write')
  async credentials(
    @Acting() who: Actor,
    @Param('id') id: string,
    @Body() body: unknown,
    @Res() res: Response,
  ): Promise<void> {
    const job = idOf(id);
    const { password, token, destination } = validate(CredentialsBody, body);
    res.json(await this.jobs.setCredentials(who, job, secretOf(password, token) ?? {}, destination));
  }

  @Post(':id/:action')
  @Access('api.job.act')
  async act(
    @Acting() who: Actor,
    @Param('id') id: string,
    @Param('action') name: string,
    @Res() res: Response,
  ): Promise<void> {
    const action = Action.safeParse(name);
    if (!action.success) throw notFound();
    res.status(202).json(await this.jobs.act(who, idOf(id), action.data));
  }
}
