import { Get, Inject, Param, Req, Res } from '@nestjs/common';
import type { Actor } from '../../jobs/contract.js';
import type { ProgressApi } from '../../progress/contract.js';
import { Access, Acting } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { PROGRESS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { found, idOf } from './answer.js';
import { EventStreams } from './event-streams.js';

@WebController('api/v1/jobs')
export class EventsController {
  constructor(
    @Inject(PROGRESS_API) private readonly progress: ProgressApi,
    private readonly streams: EventStreams,
  ) {}

  /**
   * Last-Event-ID needs no look: whatever was seen, the first event is the newest state, and what came before it is
   * in there.
   */
  @Get(':id/events')
  @Access('api.job.read')
  async events(
    @Acting() who: Actor,
    @Param('id') id: string,
    @Req() req: Request,
    @Res() res: Response,
  ): Promise<void> {
    const person = `${who.tenant}\n${who.sub}`;
    this.streams.assertRoom(person);
    const events = found(await this.progress.watch(who.visibility, idOf(id)));
    this.streams.send(person, req, res, events);
  }
}
