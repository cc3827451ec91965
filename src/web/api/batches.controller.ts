import { Body, Get, Inject, Param, Patch, Post, Put, Req, Res } from '@nestjs/common';
import type { BatchesApi } from '../../batches/contract.js';
import type { BatchView, RefusedRow } from '../../batches/batch.js';
import type { Actor, Visibility } from '../../jobs/contract.js';
import { Access, Acting, LargeBody, Sees } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Site } from '../site.js';
import { BATCHES_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { notFound } from '../web-error.js';
import { found, idOf } from './answer.js';
import {
  BatchActionBody,
  BatchActionName,
  BatchChangeBody,
  BatchCredentialsBody,
  InvitationsBody,
  NewBatchBody,
} from './batch-schemas.js';
import { validate } from './validate.js';

/** Refused rows that are told with a batch; the answer to POST has all. */
const MAX_REFUSED = 200;
const PAGES = 5;
const INVITATION_DAYS = 14;

@WebController('api/v1/batches')
export class BatchesController {
  constructor(
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    private readonly site: Site,
  ) {}

  @Post()
  @Access('api.batch.write')
  @LargeBody()
  async create(@Acting() who: Actor, @Body() body: unknown, @Res() res: Response): Promise<void> {
    const { source, rows, csv, start, ...rest } = validate(NewBatchBody, body);
    const { username: _, ...server } = source;
    const made = await this.batches.create(who, { ...rest, source: server });
    try {
      const { batch, refused, notChecked } = await this.batches.fill(
        who,
        made.id,
        csv === undefined
          ? {
              rows: rows!.map((row, i) => ({
                row: i + 1,
                mailbox: row.mailbox.trim(),
                username: (row.sourceUsername ?? row.source_username ?? '').trim(),
                password: row.sourcePassword ?? row.source_password ?? '',
              })),
            }
          : { csv },
      );
      if (start === true && batch.counts.accepted > 0) await this.batches.act(who, made.id, 'start');
      res
        .status(201)
        .location(this.site.absolute(`/api/v1/batches/${made.id}`))
        .json({ id: made.id, accepted: batch.counts.accepted, refused, notChecked });
    } catch (error) {
      // All or nothing: a list that cannot be read leaves no empty batch behind.
      await this.batches.discard(who, made.id).catch(() => undefined);
      throw error;
    }
  }

  @Get(':id')
  @Access('api.batch.read')
  async get(@Sees() sees: Visibility, @Param('id') id: string, @Res() res: Response): Promise<void> {
    res.json(await this.withRefused(sees, found(await this.batches.get(sees, idOf(id)))));
  }

  @Patch(':id')
  @Access('api.batch.write')
  async change(
    @Acting() who: Actor,
    @Param('id') name: string,
    @Body() body: unknown,
    @Res() res: Response,
  ): Promise<void> {
    const id = idOf(name);
    const { source, password, options } = validate(BatchChangeBody, body);
    if (source !== undefined)
      await this.batches.reconnect(who, id, { ...source, ...(password !== undefined && { password }) });
    if (options !== undefined) await this.batches.reschedule(who, id, options);
    res.json(await this.withRefused(who.visibility, found(await this.batches.get(who.visibility, id))));
  }

  @Put(':id/credentials')
  @Access('api.batch.write')
  async credentials(
    @Acting() who: Actor,
    @Param('id') id: string,
    @Body() body: unknown,
    @Res() res: Response,
  ): Promise<void> {
    const { password } = validate(BatchCredentialsBody, body);
    res.json(await this.withRefused(who.visibility, await this.batches.setPassword(who, idOf(id), password)));
  }

  @Post(':id/invitations')
  @Access('api.batch.write')
  async invite(
    @Acting() who: Actor,
    @Param('id') name: string,
    @Body() body: unknown,
    @Req() req: Request,
    @Res() res: Response,
  ): Promise<void> {
    const id = idOf(name);
    const { days = INVITATION_DAYS, send = false } = validate(InvitationsBody, body);
    const count = await this.batches.invite(who, id, { days, send });
    const links = send ? [] : await this.batches.links(who, id);
    res.status(201).json({
      count,
      links: links.map(({ token, ...rest }) => ({
        ...rest,
        link: this.site.handOn(req, `/links/${token}`),
      })),
    });
  }

  @Post(':id/:action')
  @Access('api.batch.write')
  async act(
    @Acting() who: Actor,
    @Param('id') id: string,
    @Param('action') name: string,
    @Body() body: unknown,
    @Res() res: Response,
  ): Promise<void> {
    const action = BatchActionName.safeParse(name);
    if (!action.success) throw notFound();
    const batch = await this.batches.act(who, idOf(id), action.data, validate(BatchActionBody, body));
    res.status(202).json(await this.withRefused(who.visibility, batch));
  }

  private async withRefused(
    sees: Visibility,
    batch: BatchView,
  ): Promise<BatchView & { readonly refused: readonly RefusedRow[] }> {
    const refused: RefusedRow[] = [];
    for (let page = 1; page <= PAGES && refused.length < batch.counts.refused; page++) {
      const rows = await this.batches.rows(sees, batch.id, { show: 'refused', page, perPage: MAX_REFUSED });
      for (const { row, reason } of rows?.rows ?? [])
        refused.push({ row, code: reason?.code ?? '', message: reason?.message ?? '' });
    }
    return { ...batch, refused };
  }
}
