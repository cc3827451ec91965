import { z } from 'zod';
import { JobError, type SourceSecret } from '../jobs/contract.js';
import type { SourceSettings } from '../jobs/job.js';
import { wordsFor } from '../jobs/messages.js';
import { checkSettings, invalid } from '../jobs/settings.js';
import type { BatchAuth, BatchOptions, BatchSource } from './batch.js';
import type { BatchSettings, Connection } from './contract.js';
import { USERNAME_RULES } from './batch.js';
import { isClock, isTimeZone } from './hours.js';

/** Migrations of one batch at once: enough for a large domain, and few enough for the old server to bear. */
export const DEFAULT_AT_ONCE = 10;
const MAX_AT_ONCE = 200;
const MAX_SYNC_HOURS = 24 * 7;
/** Stands for the user's name while the settings are checked without one. */
const ANYBODY = 'user';

const USERNAMES = z
  .strictObject({
    rule: z.enum(USERNAME_RULES),
    domain: z
      .string()
      .trim()
      .toLowerCase()
      .regex(/^(?=.{1,253}$)[a-z0-9\u0080-\uffff](?:[a-z0-9.\u0080-\uffff-]*[a-z0-9\u0080-\uffff])?$/)
      .optional(),
    template: z
      .string()
      .trim()
      .max(200)
      .regex(/^[^\u0000-\u001f\u007f]*\{(?:local|address)\}[^\u0000-\u001f\u007f]*$/)
      .optional(),
  })
  .refine(({ rule, domain }) => rule !== 'old-domain' || domain !== undefined, { path: ['domain'] })
  .refine(({ rule, template }) => rule !== 'template' || template !== undefined, { path: ['template'] });
const clock = z.string().refine(isClock);
const SCHEDULE = {
  atOnce: z.int().min(1).max(MAX_AT_ONCE).default(DEFAULT_AT_ONCE),
  hours: z
    .strictObject({ from: clock, to: clock, timeZone: z.string().max(64).refine(isTimeZone) })
    .nullable()
    .default(null),
  syncEveryHours: z.int().min(1).max(MAX_SYNC_HOURS).nullable().default(null),
};
const OPTIONS = z.strictObject({ usernames: USERNAMES.default({ rule: 'address' }), ...SCHEDULE });

export interface CheckedBatch {
  readonly source: BatchSource;
  readonly auth: BatchAuth;
  /** The administrator's. */
  readonly secret?: SourceSecret;
  readonly options: BatchOptions;
}

/** @throws JobError VALIDATION with the place in `details`; IMPERSONATION_UNSUPPORTED */
export function checkBatch({ source, auth, options = {} }: BatchSettings): CheckedBatch {
  const { items, filters, repair, deepVerify, ...own } = options;
  if (auth.kind === 'admin' && auth.method === 'impersonation' && source.type !== 'ews')
    throw new JobError('IMPERSONATION_UNSUPPORTED', wordsFor('IMPERSONATION_UNSUPPORTED').message);
  const login =
    auth.kind !== 'admin'
      ? {}
      : {
          login: {
            method: auth.method,
            username: auth.username,
            ...(auth.method === 'composite' && { template: auth.template ?? '{user}*{admin}' }),
          },
        };
  const whole = { ...source, ...login, username: ANYBODY } as SourceSettings;
  const [checked, checkedOptions] = both(
    () =>
      checkSettings({
        source: whole,
        ...(items !== undefined && { items }),
        ...(filters !== undefined && { filters }),
        options: withoutUndefined({ repair, deepVerify }),
        ...(auth.kind === 'admin' && { secret: { password: auth.password } }),
      }),
    () => parse(OPTIONS, withoutUndefined(own)),
  );
  if (auth.kind === 'admin' && checked.secret === undefined) throw invalid({ 'auth.password': 'is missing' });
  const { username: _, ...rest } = checked.source!;
  return {
    source: rest,
    auth: { kind: auth.kind },
    ...(checked.secret === undefined ? {} : { secret: checked.secret }),
    options: {
      ...checkedOptions,
      usernames: withoutUndefined(checkedOptions.usernames),
      items: checked.items ?? ['mail'],
      filters: checked.filters ?? {},
      ...withoutUndefined({ repair, deepVerify }),
    },
  };
}

/** @throws JobError VALIDATION */
export function checkConnection(
  { caFingerprint: _, ...source }: BatchSource,
  { port, security, caFingerprint }: Connection,
): BatchSource {
  const whole = { ...source, port, security, ...(caFingerprint !== undefined && { caFingerprint }), username: ANYBODY };
  const { username: __, ...checked } = checkSettings({ source: whole as SourceSettings }).source!;
  return checked;
}

/** @throws JobError VALIDATION */
export function checkSchedule(schedule: object): Pick<BatchOptions, 'atOnce' | 'hours' | 'syncEveryHours'> {
  return parse(z.strictObject(SCHEDULE), schedule);
}

/** Everything that is not right at once: a form is not filled in again and again. */
function both<A, B>(one: () => A, other: () => B): [A, B] {
  const problems: JobError[] = [];
  const tried = <T>(check: () => T): T | undefined => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  const results = [tried(one), tried(other)];
  if (problems.length === 2)
    throw invalid(Object.assign({}, ...problems.map(({ details }) => details)) as Record<string, string>);
  if (problems[0] !== undefined) throw problems[0];
  return results as [A, B];
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  // Only the place: zod's own messages may quote what was typed.
  throw invalid(
    Object.fromEntries(
      parsed.error.issues.map((issue) => [['options', ...issue.path].map(String).join('.'), 'is not right']),
    ),
  );
}

function withoutUndefined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
