import { z } from 'zod';
import { parseHost } from '../mailbox/address.js';
import { ITEM_KINDS, type ItemKind } from '../mailbox/kinds.js';
import { JobError, type DestinationSecret, type NewJob, type SourceSecret } from './contract.js';
import type { JobFilters, JobOptions, SourceFile, SourceSettings } from './job.js';

/** SECURITY, destination: characters that could end a composite login or a path. */
const NEVER_IN_ADDRESS = /[*%\\/\s\u0000-\u001f\u007f-\u009f]/;
/** RFC 5321 section 4.1.2: only within a quoted local part, which no mailbox of a hoster has. */
const ONLY_QUOTED = /[<>()[\],:;"]/;
const UNSAFE_IN_LOGIN = 'has a character that could end a composite user name';
/** No user name or password of a mail account has a control character; some would end a protocol line. */
const CONTROL = /[\u0000-\u001f\u007f]/;
/** RFC 5321 section 4.5.3.1. */
const MAX_ADDRESS = 254;
/** Postgres' text and jsonb hold neither. */
const UNSTORABLE = /\u0000|\p{Surrogate}/u;
const MAX_SECRET = 8_192;
const MAX_FOLDERS = 5_000;
const MAX_FORM_BYTES = 64 * 1024;

const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !CONTROL.test(text), 'has a control character');
const storable = (value: unknown): boolean => {
  if (typeof value === 'string') return !UNSTORABLE.test(value);
  if (value === null || typeof value !== 'object') return true;
  return Object.entries(value).every(([key, entry]) => storable(key) && storable(entry));
};
const CANNOT_BE_KEPT = 'has a character that cannot be kept';
/** Whether one in clear may be used is the operator's to say: see Admission.target. */
const webAddress = z
  .string()
  .max(2_000)
  .refine((text) => /^https?:$/.test(protocolOf(text)) && !hasLogin(text), 'is not an https:// address');

/** `{user}` is the person, `{admin}` the administrator; both stand in it once. */
const TEMPLATE = /^(?=[^{}]*\{(?:user|admin)\}[^{}]*\{(?:user|admin)\}[^{}]*$)(?=.*\{user\})(?=.*\{admin\})/;
export const LOGIN = z
  .strictObject({
    method: z.enum(['authzid', 'composite', 'impersonation', 'delegate']),
    username: line(320).transform((text) => text.trim()),
    template: line(200)
      .refine((text) => TEMPLATE.test(text), 'must hold {user} and {admin}, each once')
      .optional(),
  })
  .refine(({ method, template }) => method !== 'composite' || template !== undefined, {
    path: ['template'],
    error: 'is missing',
  })
  .refine(({ method, username }) => method !== 'composite' || !NEVER_IN_ADDRESS.test(username), {
    path: ['username'],
    error: UNSAFE_IN_LOGIN,
  });

/** Every protocol's settings in one; what a protocol needs beyond host and port is checked by its source. */
const SOURCE = z.strictObject({
  type: z.string().regex(/^[a-z][a-z0-9-]{1,20}$/, 'is not a known kind of source'),
  provider: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,40}$/)
    .optional(),
  host: z
    .string()
    .max(300)
    .refine((text) => parseHost(text) !== null, 'is not the name or the address of a server')
    .transform((text) => text.trim().toLowerCase().replace(/\.$/, '')),
  port: z.int().min(1).max(65_535),
  security: z.enum(['tls', 'starttls', 'none']),
  username: line(320).transform((text) => text.trim()),
  caFingerprint: z
    .string()
    .transform((text) => text.replaceAll(':', '').toLowerCase())
    .refine((text) => /^[0-9a-f]{64}$/.test(text), 'is not a SHA-256 fingerprint')
    .optional(),
  login: LOGIN.optional(),
  dav: z.strictObject({ url: webAddress }).optional(),
  ews: z.strictObject({ url: webAddress }).optional(),
  options: z
    .record(z.string().regex(/^[a-zA-Z][a-zA-Z0-9]{0,40}$/), z.union([z.string().max(500), z.number(), z.boolean()]))
    .refine((options) => !Object.keys(options).some((key) => /pass|secret|token/i.test(key)), 'may hold no secret')
    .optional(),
});
/** Its files are uploaded to the job afterwards (Uploads). */
const FILES_SOURCE = z.object({ type: z.literal('files') }).transform((): SourceSettings => NO_FILES);
const SECRET = z.strictObject({ password: line(MAX_SECRET).optional(), token: line(MAX_SECRET).optional() });
const DESTINATION = z.strictObject({ username: line(320).optional(), password: line(MAX_SECRET) });
const ITEMS = z
  .array(z.enum(ITEM_KINDS))
  .min(1, 'names nothing to import')
  .transform((items) => ITEM_KINDS.filter((kind) => items.includes(kind)));
const PATHS = z
  .array(z.array(z.string().min(1).max(2_000)).min(1).max(100))
  .max(MAX_FOLDERS)
  .optional();
const FILTERS = z.strictObject({
  excludeFolders: PATHS,
  includeFolders: PATHS,
  since: z.iso
    .datetime({ offset: true })
    .or(z.iso.date())
    .transform((text) => new Date(text).toISOString())
    .optional(),
  maxItemBytes: z.int().min(1).optional(),
});
const OPTIONS = z.strictObject({
  repair: z.boolean().optional(),
  keepForSync: z.boolean().optional(),
  deepVerify: z.boolean().optional(),
  labels: z.enum(['primary', 'keywords']).optional(),
});
const FORM = z
  .record(z.string().max(100), z.unknown())
  .refine((form) => JSON.stringify(form).length <= MAX_FORM_BYTES, 'is too large');

const PATCH = z.object({
  source: SOURCE.refine(storable, CANNOT_BE_KEPT)
    .refine(({ login, username }) => login?.method !== 'composite' || isLoginSafe(username), {
      path: ['username'],
      error: UNSAFE_IN_LOGIN,
    })
    .optional(),
  secret: SECRET.optional(),
  destination: DESTINATION.optional(),
  items: ITEMS.optional(),
  existing: z.enum(['keep', 'replace']).optional(),
  confirm: z.string().max(MAX_ADDRESS).optional(),
  filters: FILTERS.refine(storable, CANNOT_BE_KEPT).optional(),
  options: OPTIONS.optional(),
  form: FORM.refine(storable, CANNOT_BE_KEPT).optional(),
});

const FILES_PATCH = PATCH.extend({ source: FILES_SOURCE });

/** What came in, checked and in its one spelling. */
export interface CheckedSettings {
  readonly source?: SourceSettings;
  readonly secret?: SourceSecret;
  readonly destination?: DestinationSecret;
  readonly items?: readonly ItemKind[];
  readonly existing?: 'keep' | 'replace';
  readonly confirm?: string;
  readonly filters?: JobFilters;
  readonly options?: JobOptions;
  readonly form?: Readonly<Record<string, unknown>>;
}

/** @throws JobError VALIDATION; `details` has one sentence for each wrong field, by its dotted path. */
export function checkSettings(settings: Partial<Omit<NewJob, 'mailbox'>>): CheckedSettings {
  const checked = check<CheckedSettings>(isOfFiles(settings.source) ? FILES_PATCH : PATCH, settings);
  return checked.secret === undefined || checked.secret.password !== undefined || checked.secret.token !== undefined
    ? checked
    : { ...checked, secret: undefined };
}

/** A migration from uploaded files, before the first one. */
export const NO_FILES: SourceSettings = {
  type: 'files',
  provider: 'files',
  host: '',
  port: 0,
  security: 'tls',
  username: '',
  files: [],
};

export function isOfFiles(source: unknown): source is SourceSettings & { files: readonly SourceFile[] } {
  return typeof source === 'object' && source !== null && 'type' in source && source.type === 'files';
}

/** Lower case. @throws JobError VALIDATION */
export function checkAddress(address: unknown, field = 'mailbox'): string {
  const text = typeof address === 'string' ? address.trim().toLowerCase() : '';
  const at = text.lastIndexOf('@');
  const shaped = at >= 1 && at < text.length - 1 && text.length <= MAX_ADDRESS;
  if (!shaped || NEVER_IN_ADDRESS.test(text) || ONLY_QUOTED.test(text))
    throw invalid({ [field]: 'is not the address of a mailbox' });
  return text;
}

/** Whether a user name may become part of a composite login. */
export function isLoginSafe(username: string): boolean {
  return !NEVER_IN_ADDRESS.test(username);
}

export function invalid(details: Readonly<Record<string, string>>): JobError {
  const [field, why] = Object.entries(details)[0] ?? ['request', 'is not right'];
  return new JobError('VALIDATION', `${field} ${why}.`, details);
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  // Only the place and our own words: zod's own messages may quote what was typed.
  throw invalid(
    Object.fromEntries(
      result.error.issues
        .slice(0, 50)
        .map((issue) => [
          issue.path.map(String).join('.') || 'request',
          issue.code === 'custom' ? issue.message : words(issue),
        ]),
    ),
  );
}

function words(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing or of the wrong type' : `is not ${article(issue.expected)}`;
    case 'too_small':
      return issue.message.startsWith('names') ? issue.message : 'is too short or too small';
    case 'too_big':
      return 'is too long or too large';
    case 'invalid_value':
      return `is none of ${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return 'has fields that are not known';
    default:
      return 'is not right';
  }
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

function hasLogin(text: string): boolean {
  const { username, password } = new URL(text);
  return username !== '' || password !== '';
}

function protocolOf(text: string): string {
  try {
    return new URL(text).protocol;
  } catch {
    return '';
  }
}
