import { Get, Inject, Req, Res } from '@nestjs/common';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import type { Actor, Visibility } from '../../jobs/contract.js';
import type { AuditApi, AuditQuery } from '../../support/contract.js';
import { Access, Acting, Sees } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { Site } from '../site.js';
import { queryText } from '../query-text.js';
import { withQuery } from '../status/paging.js';
import { actionKey } from './case-view.js';
import { AUDIT_API } from '../tokens.js';
import { WebController } from '../web-controller.js';

const PER_PAGE = 100;
const FIELDS = ['who', 'action', 'mailbox', 'job', 'from', 'to'] as const;
const MAX = 254;

/** Who did what to whose migration, from where and when. */
@WebController('admin')
export class AuditController {
  constructor(
    @Inject(AUDIT_API) private readonly audit: AuditApi,
    private readonly renderer: Renderer,
    private readonly site: Site,
  ) {}

  @Get('audit')
  @Access('page.admin')
  async show(@Req() req: Request, @Res() res: Response, @Sees() sees: Visibility): Promise<void> {
    const filter = filterOf(req.query);
    const after = queryText(req.query['after'], MAX);
    const { rows, next } = await this.audit.search(sees, filter, { ...(after && { after }), limit: PER_PAGE });
    const html = await this.renderer.page(req, res, 'admin/audit', {
      title: this.renderer.t(req, 'support.audit.title'),
      section: 'admin',
      tab: 'audit',
      rows: rows.map(({ detail, action, ...row }) => ({
        ...row,
        action,
        words: this.words(req, action),
        details: Object.entries(detail).map(([name, value]) => ({ name, value })),
      })),
      filter: Object.fromEntries(FIELDS.map((name) => [name, filter[name] ?? ''])),
      filtered: Object.keys(filter).length > 0,
      first: after === '' ? null : withQuery(this.site.url('/admin/audit'), { ...filter }),
      next: next === null ? null : withQuery(this.site.url('/admin/audit'), { ...filter, after: next }),
      csvUrl: withQuery(this.site.url('/admin/audit.csv'), { ...filter }),
    });
    res.send(html);
  }

  @Get('audit.csv')
  @Access('page.admin')
  async csv(@Req() req: Request, @Res() res: Response, @Acting() actor: Actor): Promise<void> {
    const lines = await this.audit.csv(actor, filterOf(req.query));
    res.setHeader('Content-Type', 'text/csv; charset=utf-8');
    res.setHeader('Content-Disposition', 'attachment; filename="audit.csv"');
    await pipeline(Readable.from(lines), res);
  }

  /** The action's own sentence where there is one; its name is shown in any case. */
  private words(req: Request, action: string): string | null {
    const key = actionKey(action);
    return this.renderer.words.has(key) ? this.renderer.t(req, key) : null;
  }
}

function filterOf(query: Readonly<Record<string, unknown>>): AuditQuery {
  const texts = FIELDS.map((name) => [name, queryText(query[name], MAX)] as const);
  return Object.fromEntries(texts.filter(([, value]) => value !== ''));
}
