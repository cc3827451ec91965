import { Delete, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { Actor, JobsApi, UploadsApi } from '../../jobs/contract.js';
import { Access, Acting, TakesFiles } from '../auth/access.decorator.js';
import { uploadOf } from '../body.middleware.js';
import type { Request, Response } from '../http.js';
import { takeFiles } from '../take-files.js';
import { JOBS_API, UPLOADS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { WebError } from '../web-error.js';
import { found, idOf } from './answer.js';

/** The files that a draft with a source of type `files` is read from. */
@WebController('api/v1/jobs/:id/files')
export class FilesController {
  constructor(
    @Inject(UPLOADS_API) private readonly uploads: UploadsApi,
    @Inject(JOBS_API) private readonly jobs: JobsApi,
  ) {}

  @Post()
  @Access('api.job.write')
  @TakesFiles()
  async add(@Acting() who: Actor, @Param('id') id: string, @Req() req: Request, @Res() res: Response): Promise<void> {
    const job = idOf(id);
    found(await this.jobs.get(who.visibility, job));
    const form = uploadOf(req);
    if (form === null)
      throw new WebError('VALIDATION', 'The body must be multipart/form-data with one or more files.', {
        files: 'is missing',
      });
    const { taken, refused } = await takeFiles(this.uploads, who, job, form);
    if (taken.length + refused.length === 0)
      throw new WebError('VALIDATION', 'There is no file in the form.', { files: 'is missing' });
    res.status(taken.length > 0 ? 201 : 422).json({ files: taken, refused });
  }

  @Delete(':file')
  @Access('api.job.write')
  async remove(
    @Acting() who: Actor,
    @Param('id') id: string,
    @Param('file') file: string,
    @Res() res: Response,
  ): Promise<void> {
    await this.uploads.remove(who, idOf(id), idOf(file));
    res.status(204).end();
  }
}
