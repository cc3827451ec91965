import { type Actor, JobError, type UploadsApi } from '../jobs/contract.js';
import type { SourceFile } from '../jobs/job.js';
import type { UploadForm } from './upload-form.js';

export interface RefusedFile {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

/**
 * Keeps the files of a form; one that is refused does not hold up the others.
 * @throws JobError for what is wrong with the migration, WebError for what is wrong with the form
 */
export async function takeFiles(
  uploads: UploadsApi,
  who: Actor,
  job: string,
  form: UploadForm,
): Promise<{ taken: SourceFile[]; refused: RefusedFile[] }> {
  const taken: SourceFile[] = [];
  const refused: RefusedFile[] = [];
  try {
    for await (const { name, content } of form.files()) {
      try {
        taken.push(await uploads.add(who, job, name, content));
      } catch (error) {
        if (!(error instanceof JobError) || !OF_FILE.includes(error.code)) throw error;
        refused.push({ name, code: error.code, message: error.message });
      }
    }
  } finally {
    // A browser that is still sending does not listen to an answer.
    await form.skip();
  }
  return { taken, refused };
}

/** What is wrong with one file; everything else is wrong with the migration, and so with all of them. */
const OF_FILE: readonly string[] = [
  'FILE_EMPTY',
  'FILE_IS_ARCHIVE',
  'FILE_NOT_CALENDAR',
  'FILE_TOO_LARGE',
  'TOO_MANY_FILES',
  'UPLOADS_FULL',
];
