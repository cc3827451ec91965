import { z } from 'zod';
import { BATCH_ACTIONS, BATCH_STATES, USERNAME_RULES } from '../../batches/batch.js';
import { JOB_STATES } from '../../jobs/job.js';
import { Reason } from './reply-schemas.js';
import { Items, Filters, Source } from './schemas.js';

const text = (max: number) => z.string().max(max);
const count = z.int().min(0);
const when = z.iso.datetime();

/** Rows with the names of the CSV's columns, or with ours. */
const Row = z.strictObject({
  mailbox: text(2_000),
  sourceUsername: text(2_000).optional(),
  sourcePassword: text(16_384).optional(),
  source_username: text(2_000).optional(),
  source_password: text(16_384).optional(),
});
const BatchSource = Source.omit({ password: true, token: true, login: true })
  .extend({ username: text(320).optional().describe('Not used: every row has its own') })
  .describe('The one old server of all');
const Auth = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('per-row') }),
    z.strictObject({
      kind: z.literal('admin'),
      method: z.enum(['authzid', 'composite', 'impersonation']),
      username: text(320).min(1),
      password: text(8_192).min(1),
      template: text(200).optional().describe("Of a composite name: '{user}*{admin}'"),
    }),
    z.strictObject({ kind: z.literal('ask-user') }),
  ])
  .describe("How the old accounts are opened: each row's password, an administrator's, or the user is asked by a link");
const Hours = z.strictObject({
  from: text(5).describe('22:00'),
  to: text(5),
  timeZone: text(64).describe('IANA, e.g. Europe/Berlin'),
});
const Usernames = z.strictObject({
  rule: z.enum(USERNAME_RULES),
  domain: text(253).optional(),
  template: text(200).optional().describe('With {local}, {domain} or {address}'),
});
const BatchOptions = z.strictObject({
  items: Items.optional(),
  filters: Filters.optional(),
  usernames: Usernames.optional().describe('Where a row names no user name'),
  atOnce: z.int().optional().describe('Migrations of the batch at once'),
  hours: Hours.nullable().optional().describe('Copy only between these times of the day'),
  syncEveryHours: z.int().nullable().optional().describe('Hours between delta passes'),
  repair: z.boolean().optional(),
  deepVerify: z.boolean().optional(),
});
export const NewBatchBody = z
  .strictObject({
    domain: text(253).min(1),
    name: text(120).optional(),
    source: BatchSource,
    auth: Auth,
    rows: z.array(Row).optional(),
    csv: z.string().optional().describe('Header: mailbox, source_username, source_password; comma, semicolon or tab'),
    options: BatchOptions.optional(),
    start: z.boolean().optional(),
  })
  .refine((body) => (body.rows === undefined) !== (body.csv === undefined), 'must have either rows or csv');
export const BatchActionName = z.enum(BATCH_ACTIONS);
export const BatchActionBody = z
  .strictObject({
    ids: z
      .array(z.uuid())
      .min(1)
      .max(1_000)
      .optional()
      .describe('Migrations; absent: all of the batch. Not with `finish` or `last`: a batch ends as a whole'),
    at: z.iso.datetime({ offset: true }).optional().describe('The first start: not before'),
    last: z.boolean().optional().describe('sync: the last pass; the batch is finished after it'),
    anyway: z.boolean().optional().describe('finish: although some mailboxes are not done; they are cancelled'),
  })
  .refine(({ ids, last }) => ids === undefined || last !== true, 'must not have both ids and last');

export const BatchChangeBody = z
  .strictObject({
    source: z
      .strictObject({
        port: z.int().min(1).max(65_535),
        security: z.enum(['tls', 'starttls', 'none']),
        caFingerprint: text(200).optional().describe('Absent: a certificate that can be checked'),
      })
      .optional()
      .describe('The way to the old server, for all its migrations; only while nothing runs'),
    password: text(8_192).min(1).optional().describe("With `source`: the administrator's, typed again"),
    options: z
      .strictObject({ atOnce: z.int(), hours: Hours.nullable(), syncEveryHours: z.int().nullable() })
      .optional()
      .describe('Counts at once, also while it runs'),
  })
  .refine(({ source, password }) => source !== undefined || password === undefined, {
    path: ['password'],
    error: 'goes with source only',
  });
export const BatchCredentialsBody = z.strictObject({ password: text(8_192).min(1) });
export const InvitationsBody = z.strictObject({
  days: z.int().min(1).max(30).optional().describe('How long the links work; 14 unless given'),
  send: z.boolean().optional().describe('The panel tells the users; else the answer has the links, to be handed on'),
});
export const InvitationsResult = z
  .object({
    count: count.describe('New links: those of everybody whose password is not there'),
    links: z
      .array(z.object({ mailbox: z.string(), username: z.string(), link: z.url(), expiresAt: when }))
      .describe('All that work; empty where the panel tells the users'),
  })
  .meta({ id: 'Invitations' });

const RefusedRow = z.object({ row: count, code: z.string(), message: z.string() });
export const Batch = z
  .object({
    id: z.uuid(),
    name: z.string(),
    domain: z.string(),
    state: z.enum(BATCH_STATES),
    reason: Reason.optional(),
    source: Source.omit({ password: true, token: true, username: true }),
    auth: z.object({
      kind: z.enum(['per-row', 'admin', 'ask-user']),
      method: z.string().optional(),
      username: z.string().optional(),
      template: z.string().optional(),
    }),
    options: BatchOptions,
    counts: z.object({
      rows: count,
      accepted: count,
      refused: count,
      states: z.record(z.enum(JOB_STATES), count),
      incomplete: count,
      erased: count.describe('Taken, and erased since; only their numbers are left'),
      wanted: count,
      stuck: count,
      unfinished: count.describe('Paused, failed, waiting for a person or not let start'),
      ready: count,
      invited: count,
      tested: count,
      testsPassed: count,
      testsWaiting: count,
      tooBig: count,
    }),
    progress: z.object({
      found: count,
      copied: count,
      alreadyThere: count,
      skipped: count,
      failed: count,
      bytes: count,
      totalBytes: count,
      rate: z.number(),
    }),
    pass: count,
    finishing: z.boolean(),
    inHours: z.boolean(),
    testing: z.boolean(),
    startAt: when.nullable(),
    nextSyncAt: when.nullable(),
    actions: z.array(BatchActionName),
    createdAt: when,
    startedAt: when.nullable(),
    finishedAt: when.nullable(),
    refused: z.array(RefusedRow).describe('Rows that were not taken: at most the first 1,000'),
  })
  .meta({ id: 'Batch' });
export const NewBatchResult = z
  .object({
    id: z.uuid(),
    accepted: count,
    refused: z.array(RefusedRow),
    notChecked: count.describe('Accepted without asking the panel for the mailbox: it is asked before each starts'),
  })
  .meta({ id: 'NewBatch' });
