import { Get, Inject, Param, Req, Res } from '@nestjs/common';
import type { Visibility } from '../../jobs/contract.js';
import type { ReportsApi } from '../../reports/contract.js';
import { idOf } from '../api/answer.js';
import { Access, Sees } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { REPORTS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { notFound } from '../web-error.js';
import { pageNumber, paging } from './paging.js';
import { reportFilter, reportPage, type OutcomeFilter } from './report-page.js';

const ITEMS_PER_PAGE = 50;

/** What arrived of one migration, and what did not. */
@WebController()
export class ReportController {
  constructor(
    @Inject(REPORTS_API) private readonly reports: ReportsApi,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get('jobs/:id/report')
  @Access('page.report')
  async report(
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
    @Sees() sees: Visibility,
  ): Promise<void> {
    const outcome = reportFilter(req.query['outcome']);
    const page = pageNumber(req.query['page']);
    const [report, list, recovery] = await Promise.all([
      this.reports.report(sees, idOf(id)),
      this.reports.items(sees, idOf(id), { ...(outcome && { outcome }), page, perPage: ITEMS_PER_PAGE }),
      this.reports.recovery(sees, idOf(id)),
    ]);
    if (report === null || list === null) throw notFound();
    const path = this.site.url(`/jobs/${id}/report`);
    const html = await this.renderer.page(req, res, 'status/report', {
      title: this.renderer.t(req, 'report.title'),
      section: 'home',
      subtitle: this.renderer.t(req, report.job.source.host === '' ? 'report.forFiles' : 'report.for', {
        username: report.job.source.username,
        host: report.job.source.host,
        mailbox: report.job.mailbox,
      }),
      ...reportPage(report, list.items, outcome, path),
      filters: reportFilters(report.counts, outcome, path, (key) => this.renderer.t(req, key)),
      paging: paging(path, { outcome: outcome ?? '' }, page, ITEMS_PER_PAGE, list.total),
      recovery: recovery.map((file) => ({ ...file, href: this.site.url(`/api/v1/jobs/${id}/recovery/${file.id}`) })),
      csvUrl: this.site.url(`/api/v1/jobs/${id}/report.csv`),
    });
    res.send(html);
  }
}

function reportFilters(
  counts: { readonly skipped: number; readonly failed: number },
  chosen: OutcomeFilter,
  path: string,
  t: (key: string) => string,
) {
  return [
    { label: t('report.filterAll'), href: path, n: counts.skipped + counts.failed, current: chosen === null },
    {
      label: t('report.filterSkipped'),
      href: `${path}?outcome=skipped`,
      n: counts.skipped,
      current: chosen === 'skipped',
    },
    { label: t('report.filterFailed'), href: `${path}?outcome=failed`, n: counts.failed, current: chosen === 'failed' },
  ];
}
