import { Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { Actor, Visibility } from '../../jobs/contract.js';
import type { FleetApi } from '../../support/contract.js';
import { Access, Acting, Sees } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { FLEET_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { notFound } from '../web-error.js';

/** Seconds after which the page loads itself again without JavaScript. */
const REFRESH_SECONDS = 10;

/** The queue and the workers, for support. */
@WebController('admin/workers')
export class WorkersController {
  constructor(
    @Inject(FLEET_API) private readonly fleet: FleetApi,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get()
  @Access('page.admin')
  async show(@Req() req: Request, @Res() res: Response, @Sees() sees: Visibility): Promise<void> {
    const fleet = await this.fleet.look(sees);
    const html = await this.renderer.page(req, res, 'admin/workers', {
      title: this.renderer.t(req, 'support.workers.title'),
      section: 'admin',
      tab: 'workers',
      refreshSeconds: REFRESH_SECONDS,
      ...fleet,
      noWorker: !fleet.workers.some(({ state }) => state === 'well'),
    });
    res.send(html);
  }

  @Post(':id/:what')
  @Access('page.admin.act')
  async drain(
    @Param('id') id: string,
    @Param('what') what: string,
    @Res() res: Response,
    @Acting() actor: Actor,
  ): Promise<void> {
    if (what !== 'drain' && what !== 'undrain') throw notFound();
    await this.fleet.drain(actor, id, what === 'drain');
    res.redirect(303, this.site.url('/admin/workers'));
  }
}
