import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { Admission } from '../jobs/admission.js';
import { JobError, type Actor } from '../jobs/contract.js';
import { FINAL_STATES } from '../jobs/job-state.js';
import { checkAddress, isLoginSafe } from '../jobs/settings.js';
import type { HostPanel } from '../panel/host-panel.js';
import { HOST_PANEL } from '../panel/options.js';
import type { RefusedRow } from './batch.js';
import type { BatchRecord } from './batch-record.js';
import { refusal, type GivenRow } from './csv-rows.js';
import { knownMailboxes } from './known-mailboxes.js';
import { usernameFor } from './usernames.js';

/** RFC 5321 section 4.5.3.1, and what the jobs room seals. */
const MAX_USERNAME = 320;
const MAX_PASSWORD = 8_192;
const CONTROL = /[\u0000-\u001f\u007f]|\p{Surrogate}/u;

/** A row that becomes a migration. */
export interface CheckedRow {
  readonly row: number;
  readonly mailbox: string;
  readonly username: string;
  /** Null: an administrator's is used, or the person is asked. */
  readonly password: string | null;
}

/** Looks at every row before anything starts; a bad one takes nobody along. Nothing is dialled. */
@Injectable()
export class RowChecks {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(Admission) private readonly admission: Admission,
  ) {}

  /** @throws JobError DESTINATION_UNAVAILABLE, FORBIDDEN */
  async check(
    who: Actor,
    batch: BatchRecord,
    given: readonly GivenRow[],
  ): Promise<{ accepted: CheckedRow[]; refused: RefusedRow[]; notChecked: number }> {
    const refused: RefusedRow[] = [];
    const first = new Map<string, CheckedRow>();
    for (const row of given) {
      const checked = this.alone(batch, row);
      if (typeof checked === 'string') refused.push({ row: row.row, ...refusal(checked) });
      else {
        const earlier = first.get(checked.mailbox);
        if (earlier === undefined) first.set(checked.mailbox, checked);
        else refused.push({ row: row.row, ...twice(earlier, checked) });
      }
    }
    const addresses = [...first.keys()];
    if (who.principal === undefined) throw new JobError('FORBIDDEN', refusal('FORBIDDEN').message);
    const [{ known, unasked }, busy] = await Promise.all([
      knownMailboxes(this.panel, who.principal, batch.domain, addresses),
      this.busy(batch, addresses),
    ]);
    const accepted: CheckedRow[] = [];
    for (const row of first.values()) {
      if (!known.has(row.mailbox) && !unasked.has(row.mailbox))
        refused.push({ row: row.row, ...refusal('DESTINATION_MISSING') });
      else if (busy.has(row.mailbox)) refused.push({ row: row.row, ...refusal('ALREADY_MIGRATING') });
      else accepted.push(row);
    }
    const notChecked = accepted.filter(({ mailbox }) => unasked.has(mailbox)).length;
    return { accepted, refused: refused.sort((a, b) => a.row - b.row), notChecked };
  }

  /** What can be told from the row itself; the code of what is wrong with it. */
  private alone({ domain, source, auth, options }: BatchRecord, given: GivenRow): CheckedRow | string {
    let mailbox: string;
    try {
      mailbox = checkAddress(given.mailbox);
    } catch {
      return 'MAILBOX_INVALID';
    }
    if (mailbox.slice(mailbox.lastIndexOf('@') + 1) !== domain) return 'FOREIGN_DOMAIN';
    const username = usernameFor(options.usernames, mailbox, given.username);
    if (username.length > MAX_USERNAME || CONTROL.test(username)) return 'USERNAME_INVALID';
    if (source.login?.method === 'composite' && !isLoginSafe(username)) return 'USERNAME_INVALID';
    try {
      this.admission.notItself({ ...source, username }, mailbox);
    } catch {
      return 'SAME_MAILBOX';
    }
    const password = auth.kind === 'admin' || given.password === '' ? null : given.password;
    if (auth.kind === 'per-row' && password === null) return 'PASSWORD_MISSING';
    if (password !== null && (password.length > MAX_PASSWORD || CONTROL.test(password))) return 'PASSWORD_INVALID';
    return { row: given.row, mailbox, username, password };
  }

  /** Mailboxes into which another migration is under way, or waits in another batch. */
  private async busy({ id, tenant }: BatchRecord, addresses: readonly string[]): Promise<Set<string>> {
    const rows = await this.db.query<{ mailbox: string }[]>(
      `SELECT DISTINCT j.mailbox FROM mailferry.jobs j LEFT JOIN mailferry.batches b ON b.id = j.batch
       WHERE j.tenant = $1 AND j.mailbox = ANY($2) AND j.state <> ALL($3) AND j.batch IS DISTINCT FROM $4
         AND (j.state <> 'draft' OR b.state IN ('active', 'paused'))`,
      [tenant, addresses, FINAL_STATES, id],
    );
    return new Set(rows.map(({ mailbox }) => mailbox));
  }
}

function twice(earlier: CheckedRow, later: CheckedRow): { code: string; message: string } {
  const same = earlier.username === later.username;
  const { code, message } = refusal(same ? 'DUPLICATE_ROW' : 'MAILBOX_TWICE');
  return { code, message: `${message} (row ${earlier.row})` };
}
