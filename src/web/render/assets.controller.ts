import { Get, Param, Req, Res } from '@nestjs/common';
import { Access } from '../auth/access.decorator.js';
import type { Request, Response } from '../http.js';
import { WebController } from '../web-controller.js';
import { notFound } from '../web-error.js';
import { accentOf, accentSheet } from './accent.js';
import { Renderer } from './renderer.js';

/** The address holds the content's hash, so nothing ever changes under it. */
const FOREVER = 'public, max-age=31536000, immutable';
/** Another version of this server gave the address, while both run. */
const ASK_AGAIN = 'public, no-cache';

@WebController()
export class AssetsController {
  constructor(private readonly renderer: Renderer) {}

  @Get('assets/:hash/:name')
  @Access('asset')
  async asset(
    @Param('name') name: string,
    @Param('hash') hash: string,
    @Req() req: Request,
    @Res() res: Response,
  ): Promise<void> {
    const asset = this.renderer.assets.get(name);
    if (asset === null) throw notFound();
    res.setHeader('Cache-Control', hash === asset.hash ? FOREVER : ASK_AGAIN);
    res.setHeader('Vary', 'Accept-Encoding');
    res.setHeader('Content-Type', asset.type);
    const gzipped = req.acceptsEncodings('gzip') === 'gzip' ? await asset.gzipped() : null;
    res.setHeader('ETag', `"${asset.hash}${gzipped === null ? '' : '-gz'}"`);
    if (gzipped !== null) res.setHeader('Content-Encoding', 'gzip');
    if (req.fresh) {
      res.status(304).end();
      return;
    }
    res.status(200).end(gzipped ?? asset.bytes);
  }

  @Get('theme/:file')
  @Access('asset')
  theme(@Param('file') file: string, @Res() res: Response): void {
    const accent = /^([0-9a-f]{6})\.css$/.exec(file)?.[1];
    if (accent === undefined || accentOf(accent) === null) throw notFound();
    res.setHeader('Cache-Control', FOREVER);
    res.setHeader('Content-Type', 'text/css; charset=utf-8');
    res.status(200).end(accentSheet(accent));
  }
}
