import type { BatchView, RowView } from '../../src/batches/batch.js';
import type { NewBatchAuth } from '../../src/batches/contract.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { DORA, TENANT } from '../fakes/fake-panel.js';
import type { WebApp } from '../web/web-app.js';
import type { Shown } from './pages-list.js';

export const DORA_ACTS = {
  sub: 'dora',
  tenant: TENANT,
  visibility: { tenant: TENANT, all: false, mailboxes: [], domains: ['new.test'] },
  principal: DORA,
};
export const OLD_SERVER = { type: 'imap', host: 'imap.old.example', port: 993, security: 'tls' } as const;
const ADMIN = { kind: 'admin', method: 'composite', username: 'cyrus', password: 'canary-secret' } as const;

/** A batch with the rows of this list. */
export async function putBatch(
  web: WebApp,
  csv: string,
  auth: NewBatchAuth = ADMIN,
  change: Partial<BatchView> = {},
): Promise<BatchView> {
  const made = await web.batches.create(DORA_ACTS, {
    domain: 'new.test',
    name: 'Move of spring',
    source: OLD_SERVER,
    auth,
  });
  if (csv !== '') await web.batches.fill(DORA_ACTS, made.id, { csv });
  return web.batches.show(made.id, change);
}

export const NAMES = ['anna.meier', 'ben', 'cem.yilmaz', 'dörte', 'info', 'jobs', 'karl-heinz.von-der-langen-strasse'];
export const CSV = [
  'mailbox,source_username,source_password',
  ...NAMES.map((name, i) => `${name}@new.test,${i % 2 === 0 ? name : ''},pw`),
  'boss@elsewhere.test,,pw',
  '<b>mallory</b>@elsewhere.test,<script>alert(1)</script>,pw',
].join('\n');

export async function batchPages(web: WebApp): Promise<Shown[]> {
  const who = 'dora';
  const list: Shown[] = [{ name: 'batch-server', who, path: '/domains/new.test/batches/new' }];
  const at = ({ id }: BatchView, rest = ''): string => `/domains/new.test/batches/${id}${rest}`;
  const empty = await putBatch(web, '');
  const lines = await putBatch(web, '', { kind: 'per-row' });
  list.push(
    { name: 'batch-mailboxes', who, path: at(empty, '/mailboxes') },
    { name: 'batch-mailboxes-csv', who, path: at(lines, '/mailboxes') },
  );

  const draft = await putBatch(web, CSV);
  change(web, draft, (row, i) =>
    i < 3
      ? {
          test: {
            ok: i !== 2,
            code: i === 2 ? 'AUTH_FAILED' : 'OK',
            message: reasonFor('AUTH_FAILED').message,
            items: 1_204 * (i + 1),
            bytes: 3_400_000_000 * (i + 1),
            fits: i !== 1,
            tooLarge: i,
          },
        }
      : {},
  );
  list.push({ name: 'batch-draft', who, path: at(draft) });

  const running = await putBatch(web, CSV, ADMIN, {
    state: 'active',
    pass: 1,
    startedAt: '2026-03-02T08:15:00.000Z',
    nextSyncAt: '2026-03-02T20:15:00.000Z',
    actions: ['pause', 'cancel', 'retry', 'sync'],
    progress: {
      found: 41_200,
      copied: 22_040,
      alreadyThere: 310,
      skipped: 12,
      failed: 3,
      bytes: 9e9,
      totalBytes: 2e10,
      rate: 4e6,
    },
  });
  const states: Partial<RowView>[] = [
    { state: 'completed', outcome: 'complete', found: 900, copied: 900 },
    { state: 'running', found: 12_000, copied: 4_000 },
    { state: 'failed', reason: reasonFor('AUTH_FAILED') },
    { state: 'completed', outcome: 'incomplete', found: 500, copied: 497, failed: 3 },
    { state: 'waiting', found: 300, copied: 120, reason: reasonFor('THROTTLED') },
    { state: 'needs-action', found: 700, copied: 650, reason: reasonFor('QUOTA_EXCEEDED') },
    { wanted: true },
  ];
  change(web, running, (_, i) => states[i] ?? {});
  list.push(
    { name: 'batch-running', who, path: at(running) },
    { name: 'batch-attention', who, path: at(running, '?show=attention') },
    { name: 'batch-cancel', who, path: at(running, '/cancel') },
  );

  const stopped = await putBatch(web, CSV, ADMIN, {
    state: 'paused',
    pass: 1,
    reason: reasonFor('SIGN_INS_REFUSED'),
    actions: ['resume', 'cancel', 'finish'],
  });
  change(web, stopped, (_, i) => (i < 3 ? { state: 'needs-action', reason: reasonFor('AUTH_FAILED') } : {}));
  list.push({ name: 'batch-stopped', who, path: at(stopped) });

  const asked = await putBatch(web, CSV, { kind: 'ask-user' });
  change(web, asked, (_, i) => ({
    ready: i < 2,
    invitation: {
      expiresAt: '2026-03-16T08:00:00.000Z',
      sentAt: i % 2 ? '2026-03-02T08:00:00.000Z' : null,
      used: i < 2,
    },
  }));
  list.push({ name: 'batch-asked', who, path: at(asked) });

  return list;
}

/** Changes the rows that were taken. */
function change(web: WebApp, { id }: BatchView, how: (row: RowView, i: number) => Partial<RowView>): void {
  web.batches.rowsOf.set(
    id,
    web.batches.rowsOf.get(id)!.map((row, i) => (row.job === null ? row : { ...row, ...how(row, i) })),
  );
  web.batches.recount(id);
}
