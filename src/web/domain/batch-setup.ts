import { Injectable } from '@nestjs/common';
import type { BatchView } from '../../batches/batch.js';
import type { Actor } from '../../jobs/contract.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { batchPath } from './batch-access.js';
import { BatchPages } from './batch-pages.js';

const STEPS = ['server', 'mailboxes', 'check'] as const;

/** What the steps of a new batch have in common. */
@Injectable()
export class BatchSetup {
  constructor(
    private readonly pages: BatchPages,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  /** Null: it has been started, so there is nothing to set up any more, and the answer leads to its page. */
  async draft({ visibility }: Actor, req: Request, res: Response): Promise<BatchView | null> {
    const batch = await this.pages.find(visibility, req);
    if (batch.state === 'draft') return batch;
    this.toBatch(res, batch.domain, batch.id);
    return null;
  }

  steps(req: Request, current: (typeof STEPS)[number], batch: BatchView | null) {
    const at = STEPS.indexOf(current);
    const base = batch === null ? null : this.site.url(batchPath(batch.domain, batch.id));
    const paths = { server: '/server', mailboxes: '/mailboxes', check: '' };
    return {
      steps: STEPS.map((step, i) => ({
        label: this.renderer.t(req, `batch.steps.${step}`),
        state: i < at ? 'done' : i === at ? 'current' : 'todo',
        ...(i < at && base !== null && { href: base + paths[step] }),
      })),
      current: at + 1,
    };
  }

  toBatch(res: Response, domain: string, id: string, said = ''): void {
    res.redirect(303, this.site.url(batchPath(domain.toLowerCase(), id)) + said);
  }
}
