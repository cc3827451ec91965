import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Get, Inject, Res } from '@nestjs/common';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { Access } from '../auth/access.decorator.js';
import type { Response } from '../http.js';
import { Site } from '../site.js';
import { WebController } from '../web-controller.js';
import { openApiDocument } from './openapi.js';

@WebController('api/v1')
export class OpenApiController {
  private readonly version: string;
  private document: object | null = null;

  constructor(
    private readonly site: Site,
    @Inject(PLUGIN_OPTIONS) options: ResolvedOptions,
  ) {
    const { version } = JSON.parse(readFileSync(join(options.packageDir, 'package.json'), 'utf8')) as {
      version: string;
    };
    this.version = version;
  }

  @Get('openapi.json')
  @Access('api.document')
  openapi(@Res() res: Response): void {
    res.json((this.document ??= openApiDocument(this.site.absolute('/api/v1'), this.version)));
  }
}
