import { Get, Inject, Param, Req, Res } from '@nestjs/common';
import type { BatchesApi } from '../../batches/contract.js';
import type { JobsApi, Visibility } from '../../jobs/contract.js';
import { HOST_PANEL } from '../../panel/options.js';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import { isFiltered, readFilter, stateChoices, toQuery } from '../admin/job-filter.js';
import { Access, Sees, Who } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { flashOf } from '../status/flash.js';
import { jobRow } from '../status/job-row.js';
import { pageNumber, paging } from '../status/paging.js';
import { BATCHES_API, JOBS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { domainOf } from './batch-access.js';

const PER_PAGE = 50;
/** As many as one can look through; with more the address is typed. */
const MAILBOXES_SHOWN = 200;

/** The migrations into the mailboxes of one domain, for its admin. */
@WebController('domains')
export class DomainController {
  constructor(
    @Inject(JOBS_API) private readonly jobs: JobsApi,
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get(':domain')
  @Access('page.domain')
  async list(
    @Param('domain') name: string,
    @Req() req: Request,
    @Res() res: Response,
    @Who() who: Principal,
    @Sees() sees: Visibility,
  ): Promise<void> {
    const domain = domainOf(sees, name);
    const filter = { ...readFilter(req.query), domain: '' };
    const page = pageNumber(req.query['page']);
    const [{ jobs, total }, mailboxes, batches] = await Promise.all([
      this.jobs.list(sees, { ...toQuery(filter), domain, page, perPage: PER_PAGE }),
      this.panel.listMailboxes(who, domain, { page: 1, perPage: MAILBOXES_SHOWN }),
      this.batches.list(sees, domain),
    ]);
    const t = (key: string): string => this.renderer.t(req, key);
    const html = await this.renderer.page(req, res, 'domain/list', {
      title: this.renderer.t(req, 'domain.title', { domain }),
      section: 'domain',
      domain,
      batches,
      done: flashOf(req.query, (key) => (this.renderer.words.has(key) ? t(key) : null)).done,
      jobs: jobs.map(jobRow),
      filter,
      filtered: isFiltered(filter),
      states: stateChoices(filter, t),
      paging: paging(this.site.url(`/domains/${encodeURIComponent(domain)}`), { ...filter }, page, PER_PAGE, total),
      mailboxes:
        mailboxes.total > MAILBOXES_SHOWN
          ? []
          : mailboxes.items.map(({ address }) => ({ value: address, label: address, selected: false })),
      noMailboxes: mailboxes.total === 0,
    });
    res.send(html);
  }
}
