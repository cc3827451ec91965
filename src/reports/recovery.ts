import type { DataSource } from 'typeorm';
import type { Visibility } from '../jobs/contract.js';
import { isUuid } from '../jobs/job-view.js';
import type { ItemKind } from '../mailbox/kinds.js';

/** What a replace took out of a calendar or an address book. */
export interface RecoveryFile {
  readonly id: string;
  readonly kind: ItemKind;
  readonly folder: string;
  /** For whoever saves it. */
  readonly name: string;
  readonly items: number;
  readonly bytes: number;
  /** ISO 8601. */
  readonly createdAt: string;
}
export interface RecoveryContent {
  readonly name: string;
  readonly type: string;
  readonly chunks: AsyncIterable<Buffer>;
}

interface Row {
  id: string;
  kind: ItemKind;
  folder: string;
  ending: string;
  type: string;
  items: number;
  bytes: string;
  createdAt: Date;
}

/** Only for whose mailbox it is: it is what is in the calendar, and support has no business there. */
const OF_OWNER = `FROM mailferry.recovery_files f JOIN mailferry.jobs j ON j.id = f.job
  WHERE f.items > 0 AND j.id = $1 AND j.tenant = $2 AND j.mailbox = ANY($3::text[])`;
const COLUMNS = `f.id, f.kind, f.folder, f.ending, f.type, f.items, f.bytes, f.created_at AS "createdAt"`;

export async function recoveryFiles(db: DataSource, sees: Visibility, job: string): Promise<RecoveryFile[]> {
  if (!isUuid(job)) return [];
  const rows = await db.query<Row[]>(`SELECT ${COLUMNS} ${OF_OWNER} ORDER BY f.created_at, f.folder, f.id LIMIT 1000`, [
    job,
    sees.tenant,
    sees.mailboxes,
  ]);
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    folder: row.folder,
    name: nameOf(row),
    items: row.items,
    bytes: Number(row.bytes),
    createdAt: row.createdAt.toISOString(),
  }));
}

/** Null: not there, or not for these eyes. */
export async function recoveryContent(
  db: DataSource,
  sees: Visibility,
  job: string,
  file: string,
): Promise<RecoveryContent | null> {
  if (!isUuid(job) || !isUuid(file)) return null;
  const [row] = await db.query<Row[]>(`SELECT ${COLUMNS} ${OF_OWNER} AND f.id = $4`, [
    job,
    sees.tenant,
    sees.mailboxes,
    file,
  ]);
  return row === undefined
    ? null
    : { name: nameOf(row), type: row.type, chunks: partsOf(db, row.id, Number(row.bytes)) };
}

/** @throws Error when it is erased meanwhile: half a file must not look like a whole one. */
async function* partsOf(db: DataSource, file: string, bytes: number): AsyncIterable<Buffer> {
  let left = bytes;
  for (let n = 0; left > 0; n++) {
    const [part] = await db.query<{ bytes: Buffer }[]>(
      `SELECT bytes FROM mailferry.recovery_parts WHERE file = $1 AND n = $2`,
      [file, n],
    );
    if (part === undefined) throw new Error('the file was erased while it was read');
    left -= part.bytes.length;
    yield part.bytes;
  }
}

/** Plain letters: it goes into a header and onto anybody's disk. */
function nameOf({ folder, ending, createdAt }: Row): string {
  const plain = folder
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  return `before-migration-${createdAt.toISOString().slice(0, 10)}-${plain || 'calendar'}${ending}`;
}
