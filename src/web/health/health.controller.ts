import { timingSafeEqual } from 'node:crypto';
import { Get, Inject, Req, Res } from '@nestjs/common';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { Access } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { WebController } from '../web-controller.js';
import { notFound } from '../web-error.js';
import { Health } from './health.js';
import { Metrics } from './metrics.js';

@WebController()
export class HealthController {
  constructor(
    private readonly health: Health,
    private readonly metrics: Metrics,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  @Get('health')
  @Access('health')
  async report(@Res() res: Response): Promise<void> {
    const report = await this.health.report();
    res.status(report.status === 'ok' ? 200 : 503).json(report);
  }

  /** The process answers: whoever restarts processes asks this. */
  @Get('health/live')
  @Access('health')
  live(@Res() res: Response): void {
    res.status(200).json({ status: 'ok' });
  }

  @Get('health/ready')
  @Access('health')
  async ready(@Res() res: Response): Promise<void> {
    const ready = await this.health.ready();
    res.status(ready ? 200 : 503).json({ status: ready ? 'ok' : 'unavailable' });
  }

  @Get('metrics')
  @Access('metrics')
  async numbers(@Req() req: Request, @Res() res: Response): Promise<void> {
    // 404 to a stranger: that there are metrics is nobody's business.
    if (!this.mayRead(req)) throw notFound();
    res.setHeader('Content-Type', this.metrics.registry.contentType);
    res.status(200).end(await this.metrics.registry.metrics());
  }

  private mayRead(req: Request): boolean {
    const { metricsToken } = this.options;
    const sent = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (sent !== undefined) return metricsToken !== null && same(sent, metricsToken);
    // Behind a proxy on this machine everybody comes from it; a proxy says so by these headers.
    const forwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => name in req.headers);
    return !forwarded && /^(127\.|::1$|::ffff:127\.)/.test(req.socket.remoteAddress ?? '');
  }
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
