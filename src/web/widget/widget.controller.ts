import { Get, Inject, Req, Res } from '@nestjs/common';
import type { JobsApi, Visibility } from '../../jobs/contract.js';
import type { JobState } from '../../jobs/job.js';
import type { Principal } from '../../panel/host-panel.js';
import { Access, Sees, Who } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { jobRow } from '../status/job-row.js';
import { JOBS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';

/** What is on its way or waits for the person. */
const UNDER_WAY: readonly JobState[] = ['queued', 'running', 'waiting', 'paused', 'needs-action', 'cancelling'];
/** A widget is a glance; the pages have the rest. */
const SHOWN = 5;

/** The running migrations as a piece of HTML, for a panel's own settings page. */
@WebController()
export class WidgetController {
  constructor(
    @Inject(JOBS_API) private readonly jobs: JobsApi,
    private readonly renderer: Renderer,
  ) {}

  @Get('widget')
  @Access('page.widget')
  async widget(
    @Req() req: Request,
    @Res() res: Response,
    @Sees() visibility: Visibility,
    @Who() who: Principal,
  ): Promise<void> {
    const { jobs } = await this.jobs.list(visibility, { state: UNDER_WAY, page: 1, perPage: SHOWN });
    const html = this.renderer.fragment(req, res, 'status/widget', {
      jobs: jobs.map(jobRow),
      mayStart: who.mailboxes.length > 0,
    });
    res.status(200).send(html);
  }
}
