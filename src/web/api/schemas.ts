import { z } from 'zod';
import { JOB_AGES, JOB_SORTS } from '../../jobs/contract.js';
import { JOB_STATES } from '../../jobs/job.js';
import { ITEM_KINDS } from '../../mailbox/kinds.js';

/**
 * What comes in; what goes out is in reply-schemas.ts. The shape is held here, for the API and its OpenAPI document; whether a host may be dialled or a
 * mailbox opened is the jobs room's to say.
 */
const text = (max: number) => z.string().min(1).max(max);
/** No account has a line break or an escape code in its name; somewhere it would end a line of a protocol or a log. */
const line = (max: number) =>
  text(max).refine((value) => !/[\u0000-\u001f\u007f]/.test(value), 'has a control character');

export const Address = line(254).regex(/^[^\s@]+@[^\s@]+$/);
export const Items = z.array(z.enum(ITEM_KINDS)).min(1).max(ITEM_KINDS.length);

export const Source = z
  .strictObject({
    type: line(32).describe('imap, ews, dav, ...'),
    provider: line(64).optional(),
    host: line(300),
    port: z.int().min(1).max(65535),
    security: z.enum(['tls', 'starttls', 'none']),
    username: line(320),
    password: text(8192).optional(),
    token: text(8192).optional(),
    caFingerprint: line(128).optional().describe('SHA-256 of the one certificate that is accepted unchecked'),
    login: z
      .strictObject({
        method: z.enum(['authzid', 'composite', 'impersonation', 'delegate']),
        username: line(320).describe("The administrator's name; the secret is his"),
        template: line(200).optional().describe("Of a composite name: '{user}*{admin}'"),
      })
      .optional()
      .describe('An administrator opens the account of `username`'),
    dav: z.strictObject({ url: line(2000) }).optional(),
    ews: z
      .strictObject({ url: line(2000) })
      .optional()
      .describe('Address of Exchange.asmx, where it is not the usual one'),
    options: z.record(z.string().max(64), z.union([z.string().max(500), z.number(), z.boolean()])).optional(),
  })
  .describe('The old account. Give a password or a token; it is sealed at once and never comes back.');

/** What the pages and the API know how to read. */
const DIALLED = ['imap', 'ews', 'dav'] as const;
export const FilesSource = z
  .strictObject({ type: z.literal('files'), provider: z.literal('files').optional() })
  .describe('.ics and .vcf files: made as a draft, then filled by POST /jobs/:id/files');
const AnySource = z.discriminatedUnion('type', [Source.extend({ type: z.enum(DIALLED) }), FilesSource]);

export const DestinationAccess = z
  .strictObject({ username: line(320).optional(), password: text(8192) })
  .describe("Only where the panel's access is `user-secret`.");

const Paths = z.array(z.array(z.string().min(1).max(2000)).min(1).max(100)).max(5000);
export const Filters = z.strictObject({
  excludeFolders: Paths.optional(),
  includeFolders: Paths.optional().describe(
    "Folders that are left out unless they are named here: Gmail's spam and trash",
  ),
  since: z.union([z.iso.datetime({ offset: true }), z.iso.date()]).optional(),
  maxItemBytes: z.int().min(1).optional(),
});
export const Options = z.strictObject({
  repair: z.boolean().optional(),
  keepForSync: z.boolean().optional(),
  deepVerify: z.boolean().optional().describe('Hash every body on both sides at the end'),
  labels: z
    .enum(['primary', 'keywords'])
    .optional()
    .describe('Gmail: each message goes into one folder; its other labels are left, or become keywords'),
});
const settings = {
  items: Items,
  existing: z.enum(['keep', 'replace']),
  confirm: z.string().max(254).optional().describe("The mailbox's address, typed: needed for 'replace'"),
  destination: DestinationAccess.optional(),
  filters: Filters.optional(),
  options: Options.optional(),
};

export const NewTestBody = z.strictObject({
  source: Source.optional(),
  mailbox: Address.optional(),
  items: Items.optional(),
  destination: DestinationAccess.optional(),
  job: z.uuid().optional().describe("Test a draft's own settings instead"),
});
export const DiscoverBody = z.strictObject({
  address: Address.describe('Of the old mailbox'),
  type: z.enum(['imap', 'ews']).default('imap').describe('imap: its mail server; ews: its Exchange server'),
});
export const NewJobBody = z.strictObject({
  mailbox: Address,
  source: AnySource,
  ...settings,
  items: Items.default(['mail']),
  existing: settings.existing.default('keep'),
  start: z.boolean().optional().describe('Test the connection, then start'),
});
export const PatchJobBody = z.strictObject({ source: AnySource, ...settings }).partial();
export const CredentialsBody = z
  .strictObject({
    password: text(8192).optional(),
    token: text(8192).optional(),
    destination: DestinationAccess.optional(),
  })
  .refine((body) => Object.keys(body).length > 0, 'must hold a password, a token or a destination');

export const ACTIONS = ['start', 'pause', 'resume', 'cancel', 'retry', 'sync'] as const;
export const Action = z.enum(ACTIONS);

/** `state=running,waiting` or `state=running&state=waiting`. */
const States = z.preprocess(
  (value) => (value === undefined ? undefined : [value].flat().flatMap((one) => String(one).split(','))),
  z.array(z.enum(JOB_STATES)).max(JOB_STATES.length).optional(),
);
const filter = {
  domain: line(253).optional(),
  mailbox: line(254).optional(),
  batch: z.uuid().optional(),
  q: line(200).optional().describe('Part of a mailbox, source host or source user name'),
  error: line(64).optional().describe("Code of the job's reason or of any of its items"),
  host: line(300).optional().describe('Name of the old server'),
  open: z
    .preprocess((value) => (value === 'true' ? true : value), z.boolean())
    .optional()
    .describe('Failed, incomplete or in need of somebody, and not marked as dealt with'),
  age: z.enum(JOB_AGES).optional().describe('Made in the last day, 7 days, 30 days, or earlier'),
};
const page = {
  page: z.coerce.number().int().min(1).max(1_000_000).default(1),
  perPage: z.coerce.number().int().min(1).max(200).default(50),
};
const cursor = line(2000).optional();
export const JobsQuery = z.strictObject({
  state: States,
  ...filter,
  sort: z.enum(JOB_SORTS).optional().describe('A minus: newest or largest first'),
  ...page,
  after: cursor.describe('`next` of a page: any length of list costs the same; `page` is then of no account'),
  before: cursor.describe('`previous` of a page'),
});
export const ItemsQuery = z.strictObject({ outcome: z.enum(['skipped', 'failed']).optional(), ...page });
export const BulkBody = z
  .strictObject({
    action: Action,
    ids: z.array(z.uuid()).min(1).max(1000).optional(),
    filter: z.strictObject({ state: z.array(z.enum(JOB_STATES)).optional(), ...filter }).optional(),
  })
  .refine((body) => (body.ids === undefined) !== (body.filter === undefined), 'must have either ids or a filter');
export const IdempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/)
  .optional();
