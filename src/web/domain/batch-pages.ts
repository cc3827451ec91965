import { Inject, Injectable } from '@nestjs/common';
import type { BatchView, RowFilter } from '../../batches/batch.js';
import type { BatchesApi } from '../../batches/contract.js';
import { JobError, type Visibility } from '../../jobs/contract.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { flashOf } from '../status/flash.js';
import { withQuery } from '../status/paging.js';
import { BATCHES_API } from '../tokens.js';
import { notFound, statusOf } from '../web-error.js';
import { batchOf, batchPath } from './batch-access.js';

export const ROWS_PER_PAGE = 50;
/** Characters of a search. */
export const MAX_SEARCH = 200;

/** Which part of the list somebody looks at. */
export interface Here {
  readonly show: RowFilter;
  readonly q: string;
  readonly page: number;
}

/** What the controllers of a batch's pages have in common. */
@Injectable()
export class BatchPages {
  constructor(
    @Inject(BATCHES_API) private readonly batches: BatchesApi,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  /** The batch that an address names. @throws WebError NOT_FOUND */
  async find(sees: Visibility, req: Request): Promise<BatchView> {
    const { domain, id } = req.params;
    const batch = await batchOf(this.batches, sees, String(domain), String(id));
    if (batch === null) throw notFound();
    return batch;
  }

  /** Back to the page, with what came of it. */
  async attempt(
    res: Response,
    batch: BatchView,
    done: string,
    work: () => Promise<unknown>,
    where?: Here,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof JobError) || statusOf(error.code) === 404) throw error;
      return this.back(res, batch, `?problem=${encodeURIComponent(error.code)}`, where);
    }
    this.back(res, batch, `?done=batch_${done}`, where);
  }

  back(res: Response, batch: BatchView, said: string, where?: Here): void {
    const query = Object.fromEntries(new URLSearchParams(said));
    const { show = 'all', q = '', page = 1 } = where ?? {};
    const path = this.site.url(batchPath(batch.domain, batch.id));
    res.redirect(
      303,
      withQuery(path, { ...query, show: show === 'all' ? '' : show, q, page: page === 1 ? '' : String(page) }),
    );
  }

  /** What came of the last click, in the batch's own words where there are some. */
  said(req: Request): Readonly<Record<string, unknown>> {
    const t = (key: string): string | null => (this.renderer.words.has(key) ? this.renderer.t(req, key) : null);
    const { done } = flashOf(req.query, t);
    const { problem } = flashOf(req.query, (key) => t(key.replace(/^problems\./, 'batch.problems.')) ?? t(key));
    return { done, problem };
  }
}

export function csvHead(res: Response, name: string): void {
  res.status(200);
  res.setHeader('Content-Type', 'text/csv; charset=utf-8');
  res.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  res.setHeader('Cache-Control', 'no-store');
}
