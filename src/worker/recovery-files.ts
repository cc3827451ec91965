import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { objectFile } from '../conversion/join.js';
import type { RecoveryKeeper } from '../transfer/contract.js';

/** Characters of one part: what is in memory of a file, however long it gets. */
const PART = 256 * 1024;
const MAX_NAME = 300;

/** Writes what a replace takes away into the database: any process on any machine can hand it out, and it goes with the job. */
@Injectable()
export class RecoveryFiles {
  constructor(@Inject(getDataSourceToken('mailferry')) private readonly db: DataSource) {}

  keeperFor(job: string): RecoveryKeeper {
    return {
      keep: async ({ kind, folder }, objects) => {
        const file = objectFile(kind === 'contacts' ? 'card' : 'calendar');
        // Nobody sees it before it says how much is in it: half a file must not look whole.
        const [row] = await this.db.query<{ id: string }[]>(
          `INSERT INTO mailferry.recovery_files (job, kind, folder, ending, type) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
          [job, kind, folder.replaceAll('\0', '').slice(0, MAX_NAME), file.name, file.type],
        );
        const { id } = row!;
        let items = 0;
        try {
          const writer = new PartWriter(this.db, id);
          for await (const object of objects) {
            const text = file.add(object);
            if (text === null) continue;
            items++;
            await writer.write(text);
          }
          await writer.write(file.end());
          const bytes = await writer.end();
          await this.db.query(`UPDATE mailferry.recovery_files SET items = $2, bytes = $3 WHERE id = $1`, [
            id,
            items,
            bytes,
          ]);
          return items;
        } catch (error) {
          items = 0;
          throw error;
        } finally {
          if (items === 0)
            await this.db.query(`DELETE FROM mailferry.recovery_files WHERE id = $1`, [id]).catch(() => undefined);
        }
      },
    };
  }
}

class PartWriter {
  private waiting = '';
  private n = 0;
  private bytes = 0;

  constructor(
    private readonly db: DataSource,
    private readonly file: string,
  ) {}

  async write(text: string): Promise<void> {
    this.waiting += text;
    if (this.waiting.length >= PART) await this.flush();
  }

  async end(): Promise<number> {
    if (this.waiting !== '') await this.flush();
    return this.bytes;
  }

  private async flush(): Promise<void> {
    const part = Buffer.from(this.waiting, 'utf8');
    this.waiting = '';
    await this.db.query(`INSERT INTO mailferry.recovery_parts (file, n, bytes) VALUES ($1, $2, $3)`, [
      this.file,
      this.n++,
      part,
    ]);
    this.bytes += part.length;
  }
}
