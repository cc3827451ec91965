import { createHash, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import { newFileKey, sealPart } from '../credentials/seal.js';
import { jobError } from './admission.js';
import { AuditTrail, by } from './audit.js';
import type { Actor, UploadsApi } from './contract.js';
import { JobEntity } from './entities.js';
import type { SourceFile, SourceSettings } from './job.js';
import { isUuid } from './job-view.js';
import { DRAFT_MS, inMs } from './keeping.js';
import { SecretStore } from './secrets.js';
import { invalid, isOfFiles } from './settings.js';
import { sourceHash } from './source-hash.js';
import { KEYRING } from './tokens.js';
import { lockJob } from './transition.js';
import {
  fileName,
  HEAD_BYTES,
  MAX_FILE_BYTES,
  MAX_FILES,
  MAX_MAILBOX_BYTES,
  refuseFile,
  UPLOAD_PART_BYTES,
  wideEncoding,
} from './upload-check.js';
import { isVisible } from './visibility.js';

/** Characters of the names that stand where an account has its user name. */
const MAX_NAMES = 300;

type FilesJob = JobEntity & { source: SourceSettings & { files: readonly SourceFile[] } };

/**
 * Takes files in as they come, part by part, each encrypted by the file's own key. The key is one of the migration's sealed
 * secrets: it is kept, and erased, as a password is, and the file goes with it.
 */
@Injectable()
export class Uploads implements UploadsApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(KEYRING) private readonly keyring: Keyring,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  async add(who: Actor, job: string, sent: string, content: AsyncIterable<Uint8Array>): Promise<SourceFile> {
    const name = fileName(sent);
    const id = await this.reserve(who, job, name);
    try {
      const key = newFileKey();
      const { bytes, sha256 } = await this.write(id, key, content);
      const file: SourceFile = { id, name, bytes, sha256 };
      await this.finish(who, job, file, key);
      return file;
    } catch (error) {
      // What nobody can open any more is not kept. Should this fail, too, the pruner does it.
      await this.db.query(`DELETE FROM mailferry.uploaded_files WHERE id = $1`, [id]).catch(() => undefined);
      throw error;
    }
  }

  async remove(who: Actor, id: string, file: string): Promise<void> {
    await this.db.transaction(async (manager) => {
      const job = await this.draft(manager, who, id);
      const left = job.source.files.filter((one) => one.id !== file);
      if (left.length === job.source.files.length) throw jobError('NOT_FOUND');
      await this.secrets.removeFile(manager, id, file);
      await this.rewrite(manager, job, left);
    });
  }

  /** Room for one more, before its first byte: the largest it may become, until its size is known. */
  private reserve(who: Actor, id: string, name: string): Promise<string> {
    return this.db.transaction(async (manager) => {
      const job = await this.draft(manager, who, id);
      if (job.source.files.filter((file) => file.name !== name).length >= MAX_FILES) throw jobError('TOO_MANY_FILES');
      await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 13))`, [`${job.tenant} ${job.mailbox}`]);
      const [kept]: { bytes: string }[] = await manager.query(
        `SELECT COALESCE(sum(bytes), 0) AS bytes FROM mailferry.uploaded_files WHERE tenant = $1 AND mailbox = $2`,
        [job.tenant, job.mailbox],
      );
      if (Number(kept!.bytes) + MAX_FILE_BYTES > MAX_MAILBOX_BYTES) throw jobError('UPLOADS_FULL');
      const file = randomUUID();
      await manager.query(
        `INSERT INTO mailferry.uploaded_files (id, tenant, mailbox, job, bytes) VALUES ($1, $2, $3, $4, $5)`,
        [file, job.tenant, job.mailbox, id, MAX_FILE_BYTES],
      );
      return file;
    });
  }

  private async write(
    file: string,
    key: string,
    content: AsyncIterable<Uint8Array>,
  ): Promise<{ bytes: number; sha256: string }> {
    const hash = createHash('sha256');
    let bytes = 0;
    let n = 0;
    for await (const part of partsOf(utf8(checked(content)))) {
      bytes += part.length;
      if (bytes > MAX_FILE_BYTES) throw jobError('FILE_TOO_LARGE', { maxBytes: MAX_FILE_BYTES });
      hash.update(part);
      await this.db.query(`INSERT INTO mailferry.uploaded_parts (file, n, bytes) VALUES ($1, $2, $3)`, [
        file,
        n,
        sealPart(key, file, n, part),
      ]);
      n++;
    }
    return { bytes, sha256: hash.digest('hex') };
  }

  private async finish(who: Actor, id: string, file: SourceFile, key: string): Promise<void> {
    await this.db.transaction(async (manager) => {
      const job = await this.draft(manager, who, id);
      const others = job.source.files.filter(({ name }) => name !== file.name);
      if (others.length >= MAX_FILES) throw jobError('TOO_MANY_FILES');
      for (const old of job.source.files)
        if (old.name === file.name) await this.secrets.removeFile(manager, id, old.id);
      const at = { tenant: job.tenant, owner: id, typedBy: who.sub };
      const credential = await this.secrets.putFileKey(manager, at, file.id, key, inMs(DRAFT_MS));
      await manager.query(`UPDATE mailferry.uploaded_files SET credential = $2, bytes = $3 WHERE id = $1`, [
        file.id,
        credential,
        file.bytes,
      ]);
      await this.rewrite(manager, job, [...others, file]);
      const detail = { bytes: String(file.bytes) };
      await this.audit.record({ ...by(who), action: 'job.file', job: id, mailbox: job.mailbox, detail }, manager);
    });
  }

  private async rewrite(manager: EntityManager, job: FilesJob, files: readonly SourceFile[]): Promise<void> {
    const names = files.map(({ name }) => name).join(', ');
    const source: SourceSettings = { ...job.source, files, username: [...names].slice(0, MAX_NAMES).join('') };
    await manager.query(
      `UPDATE mailferry.jobs SET source = $2, source_hash = $3, version = version + 1, updated_at = now() WHERE id = $1`,
      [job.id, JSON.stringify(source), files.length === 0 ? null : sourceHash(this.keyring, source, {})],
    );
  }

  /** Locked. @throws JobError NOT_FOUND, INVALID_STATE, VALIDATION */
  private async draft(manager: EntityManager, who: Actor, id: string): Promise<FilesJob> {
    const row = isUuid(id) ? await lockJob(manager, id) : null;
    const job = row && (await manager.findOneBy(JobEntity, { id, tenant: who.tenant }));
    if (!job || !isVisible(who.visibility, job)) throw jobError('NOT_FOUND');
    if (job.state !== 'draft') throw jobError('INVALID_STATE', { state: job.state });
    if (!isOfFiles(job.source)) throw invalid({ 'source.type': 'is not files' });
    return job as FilesJob;
  }
}

/** The same bytes, once it is clear that they may be entries. @throws JobError */
async function* checked(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Buffer | null = Buffer.alloc(0);
  const judged = (bytes: Buffer): Buffer => {
    const wide = wideEncoding(bytes);
    const refused = refuseFile(wide === null ? bytes : Buffer.from(new TextDecoder(wide).decode(bytes)));
    if (refused !== null) throw jobError(refused);
    return bytes;
  };
  for await (const chunk of content) {
    if (head === null) yield chunk;
    else {
      head = Buffer.concat([head, chunk]);
      if (head.length < HEAD_BYTES) continue;
      yield judged(head);
      head = null;
    }
  }
  if (head !== null) yield judged(head);
}

/** As UTF-8 where a byte order mark says UTF-16. */
async function* utf8(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let decoder: InstanceType<typeof TextDecoder> | null | undefined;
  for await (const chunk of content) {
    if (decoder === undefined) {
      const wide = wideEncoding(Buffer.from(chunk.subarray(0, 2)));
      decoder = wide === null ? null : new TextDecoder(wide);
    }
    yield decoder === null ? chunk : Buffer.from(decoder.decode(chunk, { stream: true }));
  }
}

async function* partsOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content)
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + UPLOAD_PART_BYTES - size);
      waiting.push(piece);
      [size, at] = [size + piece.length, at + piece.length];
      if (size < UPLOAD_PART_BYTES) continue;
      yield Buffer.concat(waiting);
      [waiting, size] = [[], 0];
    }
  if (size > 0) yield Buffer.concat(waiting);
}
