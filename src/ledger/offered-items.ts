import type { FolderId } from '../mailbox/folder.js';
import type { ItemMeta } from '../mailbox/item.js';
import { readBound } from './bindings.js';
import { readFolderMap } from './folder-map.js';
import type { LeasedWork } from './leased-work.js';
import { isFilterCode, type LinkId, type SessionScope } from './ledger.js';
import { once } from './once.js';
import type { Query } from './queries.js';
import { hex, sizeColumn, type BindingRow } from './rows.js';
import type { SessionKnowledge } from './session-knowledge.js';
import { OfferedAgain } from './settlement.js';

const NONE: ReadonlyMap<string, { outcome: 'skipped' | 'failed'; code: string }> = new Map();

/** What a source lists, page by page, and the ledger knows of it already. */
export class OfferedItems {
  /** Refused in an earlier run and offered again by this one. */
  readonly again = new OfferedAgain();
  /** Only this session writes refusals. */
  private refusing: Promise<boolean> | null = null;
  /** What unsettled() just read of a page, for earlier(). */
  private readonly boundOfPage = new WeakMap<readonly ItemMeta[], ReadonlyMap<string, BindingRow>>();

  constructor(
    private readonly work: LeasedWork,
    private readonly knows: SessionKnowledge,
    private readonly scope: SessionScope,
    private readonly at: { readonly link: LinkId; readonly mailbox: string },
  ) {}

  async unsettled(folder: FolderId, page: readonly ItemMeta[]): Promise<ItemMeta[]> {
    if (page.length === 0) return [];
    const mayBeRefused = await this.hasRefusals();
    const { bound, refused } = await this.work.read(async (query) => {
      const folders = await this.foldersSharingKeys(query, folder);
      const bound = await this.bindingsOf(query, folders, page);
      return { bound, refused: mayBeRefused ? await this.refusalsOf(query, folders, page) : NONE };
    });
    this.boundOfPage.set(page, bound);
    return page.filter((item) => {
      if (bound.has(item.key)) return false;
      const refusal = refused.get(item.key);
      if (!refusal) return true;
      const offered = refusal.outcome === 'failed' ? this.scope.retryFailed : isFilterCode(refusal.code);
      if (offered) this.again.offer(folder, item.key, sizeColumn(item.size));
      return offered;
    });
  }

  async earlier(folder: FolderId, page: readonly ItemMeta[]): Promise<{ items: number; bytes: number }> {
    if (page.length === 0) return { items: 0, bytes: 0 };
    const bound =
      this.boundOfPage.get(page) ??
      (await this.work.read(async (query) =>
        this.bindingsOf(query, await this.foldersSharingKeys(query, folder), page),
      ));
    let items = 0;
    let bytes = 0;
    for (const item of page) {
      const binding = bound.get(item.key);
      if (!binding || binding.job === this.scope.job) continue;
      items += 1;
      bytes += sizeColumn(item.size);
    }
    return { items, bytes };
  }

  /** There are some from now on. */
  refused(): void {
    this.refusing = Promise.resolve(true);
  }

  /** The folders whose keys would be the same item's. */
  async foldersSharingKeys(query: Query, folder: FolderId): Promise<readonly FolderId[]> {
    const known = this.knows.sharingKeys(folder);
    if (known !== undefined) return known;
    this.knows.learn(await readFolderMap(query, this.at.link));
    return this.knows.sharingKeys(folder) ?? [folder];
  }

  /** Whether this job has refusals at all: mostly not, and then nobody need look for them. */
  hasRefusals(): Promise<boolean> {
    this.refusing ??= once(
      () =>
        this.work.read(async (query) => {
          const rows = await query(`SELECT 1 FROM mailferry.refusals WHERE job = $1 LIMIT 1`, [this.scope.job]);
          return rows.length > 0;
        }),
      () => (this.refusing = null),
    );
    return this.refusing;
  }

  private async bindingsOf(
    query: Query,
    folders: readonly FolderId[],
    page: readonly ItemMeta[],
  ): Promise<ReadonlyMap<string, BindingRow>> {
    if (this.knows.areUnbound(folders)) return new Map();
    const keys = page.map((item) => item.key);
    const rows = await readBound(query, this.at.mailbox, folders, keys);
    return new Map(rows.map((row) => [row.key, row]));
  }

  private async refusalsOf(
    query: Query,
    folders: readonly string[],
    page: readonly ItemMeta[],
  ): Promise<ReadonlyMap<string, { outcome: 'skipped' | 'failed'; code: string }>> {
    const rows = await query<{ key: string; outcome: 'skipped' | 'failed'; code: string }>(
      `SELECT encode(key, 'hex') AS key, outcome, code FROM mailferry.refusals
       WHERE job = $1 AND folder = ANY($2::bigint[]) AND key = ANY($3::bytea[])`,
      [this.scope.job, folders, page.map((item) => hex(item.key))],
    );
    return new Map(rows.map((row) => [row.key, row]));
  }
}
