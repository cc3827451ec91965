import { z } from 'zod';
import { JOB_STATES } from '../../jobs/job.js';
import { ITEM_KINDS } from '../../mailbox/kinds.js';
import { Action, Filters, Options, Source } from './schemas.js';

/** What goes out, as the OpenAPI document describes it. */
const kind = z.enum(ITEM_KINDS);
const when = z.iso.datetime();
const count = z.int().min(0);
const counts = { found: count, copied: count, alreadyThere: count, skipped: count, failed: count };
export const Reason = z.object({ code: z.string(), message: z.string(), action: z.string().optional() });
const FolderOut = z.object({
  path: z.string(),
  destination: z.string().nullable(),
  kind,
  ...counts,
  bytes: count,
  totalBytes: count,
});
const SourceFile = z.object({ id: z.uuid(), name: z.string(), bytes: count, sha256: z.string() });
export const Job = z
  .object({
    id: z.uuid(),
    mailbox: z.string(),
    domain: z.string(),
    state: z.enum(JOB_STATES),
    outcome: z.enum(['complete', 'incomplete']).nullable(),
    reason: Reason.optional(),
    until: when.optional(),
    source: Source.omit({ password: true, token: true }).extend({
      host: z.string().describe("'' for files"),
      port: z.int().min(0).max(65535),
      username: z.string(),
      files: z.array(SourceFile).optional().describe('What was uploaded, of type `files`'),
    }),
    items: z.array(kind),
    existing: z.enum(['keep', 'replace']),
    filters: Filters,
    options: Options,
    progress: z.object({
      ...counts,
      bytes: count,
      totalBytes: count,
      etaSeconds: z.number().nullable(),
      rate: z.number().nullable(),
    }),
    folders: z.array(FolderOut),
    runs: z.array(
      z.object({
        id: z.string(),
        kind: z.enum(['first', 'resume', 'retry', 'sync']),
        startedAt: when.nullable(),
        finishedAt: when.nullable(),
        state: z.string(),
        reason: Reason.optional(),
      }),
    ),
    actions: z.array(Action),
    createdAt: when,
    startedAt: when.nullable(),
    finishedAt: when.nullable(),
    changedAt: when,
    version: z.int(),
  })
  .meta({ id: 'Job' });
export const JobsPage = z
  .object({
    jobs: z.array(Job),
    page: count,
    perPage: count,
    total: count.describe('Counted up to 10,000; above that an estimate'),
    estimated: z.boolean(),
    next: z.string().nullable(),
    previous: z.string().nullable(),
  })
  .meta({ id: 'JobsPage' });
export const Pending = z.object({ id: z.uuid(), state: z.enum(['queued', 'running']) }).meta({ id: 'PendingTest' });
export const Test = z
  .object({
    id: z.uuid(),
    state: z.literal('done'),
    ok: z.boolean(),
    code: z.string(),
    message: z.string(),
    action: z.string().optional(),
    gives: z.array(kind).optional(),
    folders: z.array(
      z.object({
        path: z.string(),
        levels: z.array(z.string()).optional(),
        kind,
        role: z.string().optional(),
        items: count.nullable(),
        bytes: count.nullable(),
      }),
    ),
    totals: z.object({ folders: count, items: count, bytes: count }),
    plan: z.looseObject({ totalItems: count, totalBytes: count }).optional(),
    certificate: z
      .object({ fingerprint: z.string(), subject: z.string(), issuer: z.string(), validTo: z.string() })
      .optional(),
    ews: z.object({ url: z.string() }).optional().describe('The Exchange web service that was found at the server'),
    redirect: z
      .object({ url: z.string() })
      .optional()
      .describe('With EWS_REDIRECTED: the other server; name it as `ews.url` if it is known and trusted'),
  })
  .meta({ id: 'ConnectionTest' });
export const Discovered = z
  .object({
    found: z.boolean(),
    host: z.string().optional(),
    port: count.optional(),
    security: z.enum(['tls', 'starttls']).optional(),
    username: z.string().optional(),
    by: z.enum(['provider', 'autoconfig', 'srv', 'mx', 'autodiscover']).optional(),
    provider: z.string().optional().describe('Whose mail it is, where that is known'),
  })
  .meta({ id: 'Discovered' });
const ReportItem = z
  .object({
    kind,
    folder: z.string(),
    subject: z.string(),
    from: z.string(),
    date: when.nullable(),
    size: count,
    outcome: z.enum(['copied', 'alreadyThere', 'skipped', 'failed']),
    code: z.string(),
    message: z.string(),
  })
  .meta({ id: 'ReportItem' });
export const RecoveryFiles = z
  .object({
    files: z.array(
      z.object({
        id: z.string(),
        kind,
        folder: z.string(),
        name: z.string(),
        items: count,
        bytes: count,
        createdAt: when,
      }),
    ),
  })
  .meta({ id: 'RecoveryFiles' });
export const UploadResult = z
  .object({
    files: z.array(SourceFile),
    refused: z.array(z.object({ name: z.string(), code: z.string(), message: z.string() })),
  })
  .meta({ id: 'UploadResult' });
export const ItemsPage = z
  .object({ items: z.array(ReportItem), page: count, perPage: count, total: count })
  .meta({ id: 'ItemsPage' });
export const Report = z
  .object({
    job: Job,
    counts: z.object(counts),
    folders: z.array(FolderOut),
    items: z.array(ReportItem),
    changes: z.array(z.object({ folder: z.string().nullable(), code: z.string(), message: z.string(), items: count })),
  })
  .meta({ id: 'Report' });
export const BulkResult = z
  .object({
    done: z.array(z.uuid()),
    refused: z.array(z.object({ id: z.string(), code: z.string(), message: z.string() })),
  })
  .meta({ id: 'BulkResult' });
export const ErrorBody = z
  .object({
    error: z.object({ code: z.string(), message: z.string(), details: z.record(z.string(), z.unknown()).optional() }),
  })
  .meta({ id: 'Error' });
