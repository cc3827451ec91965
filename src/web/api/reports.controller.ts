import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { Get, Inject, Param, Query, Res } from '@nestjs/common';
import type { Visibility } from '../../jobs/contract.js';
import type { ReportsApi } from '../../reports/contract.js';
import { Access, Sees } from '../auth/access.decorator.js';
import type { Response } from '../http.js';
import { REPORTS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { found, idOf } from './answer.js';
import { ItemsQuery } from './schemas.js';
import { validate } from './validate.js';

@WebController('api/v1/jobs')
export class ReportsController {
  constructor(@Inject(REPORTS_API) private readonly reports: ReportsApi) {}

  @Get(':id/items')
  @Access('api.report')
  async items(
    @Sees() visibility: Visibility,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res() res: Response,
  ): Promise<void> {
    const job = idOf(id);
    const { outcome, page, perPage } = validate(ItemsQuery, query);
    const wanted = { page, perPage, ...(outcome !== undefined && { outcome }) };
    res.json({ ...found(await this.reports.items(visibility, job, wanted)), page, perPage });
  }

  @Get(':id/report')
  @Access('api.report')
  async report(@Sees() visibility: Visibility, @Param('id') id: string, @Res() res: Response): Promise<void> {
    res.json(found(await this.reports.report(visibility, idOf(id))));
  }

  @Get(':id/recovery')
  @Access('api.report')
  async recovery(@Sees() visibility: Visibility, @Param('id') id: string, @Res() res: Response): Promise<void> {
    found(await this.reports.report(visibility, idOf(id)));
    res.json({ files: await this.reports.recovery(visibility, idOf(id)) });
  }

  @Get(':id/recovery/:file')
  @Access('api.report')
  async recoveryFile(
    @Sees() visibility: Visibility,
    @Param('id') id: string,
    @Param('file') file: string,
    @Res() res: Response,
  ): Promise<void> {
    const { name, type, chunks } = found(await this.reports.recoveryContent(visibility, idOf(id), idOf(file)));
    res.status(200);
    res.setHeader('Content-Type', type);
    res.setHeader('Content-Disposition', `attachment; filename="${name}"`);
    res.setHeader('Cache-Control', 'no-store');
    await pipeline(Readable.from(chunks), res).catch(() => res.destroy());
  }

  @Get(':id/report.csv')
  @Access('api.report')
  async csv(@Sees() visibility: Visibility, @Param('id') id: string, @Res() res: Response): Promise<void> {
    const job = idOf(id);
    const lines = found(await this.reports.csv(visibility, job));
    res.status(200);
    res.setHeader('Content-Type', 'text/csv; charset=utf-8');
    res.setHeader('Content-Disposition', `attachment; filename="migration-${job}.csv"`);
    // Cut when the client leaves, and cut (not ended) when the rest cannot be read: half a report must not look whole.
    await pipeline(Readable.from(lines), res).catch(() => res.destroy());
  }
}
