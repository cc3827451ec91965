import { z } from 'zod';
import type { Draft } from '../../jobs/contract.js';
import { ITEM_KINDS, type ItemKind } from '../../mailbox/kinds.js';
import { isOfFiles } from '../../jobs/settings.js';
import { STEPS, type Step } from './steps.js';

/** What a draft of the JSON API without a provider is shown as: any IMAP server. */
const OTHER_PROVIDER = 'imap';

/** Characters of one field that are remembered; longer input is refused by the checks anyway. */
const FIELD = 500;
/** Folders that can be left out by name; as many as the jobs room takes. */
export const MAX_EXCLUDED = 5_000;

const text = z.string().max(FIELD).catch('');
const connection = z.object({
  host: text,
  port: text,
  security: z.enum(['tls', 'starttls', 'none']).catch('tls'),
  username: text,
  /** Where the settings were found; shown so that the person can judge them. */
  foundBy: z.enum(['provider', 'autoconfig', 'srv', 'mx', 'autodiscover', 'redirect']).optional().catch(undefined),
});
const certificate = z.object({ fingerprint: text, subject: text, issuer: text, validTo: text });
const schema = z.object({
  provider: text,
  connection: connection.nullable().catch(null),
  /** Address of calendars and contacts, as typed; '' where the provider's is known or none was given. */
  davUrl: text,
  /** Address of Exchange's web service, as typed; '' for the usual one. */
  ewsUrl: text,
  /** Exchange: the archive mailbox and public folders, too. */
  archive: z.boolean().catch(false),
  publicFolders: z.boolean().catch(false),
  /** The address "find my settings" was asked for. */
  address: text,
  existing: z.enum(['keep', 'replace']).catch('keep'),
  confirm: text,
  kinds: z.array(z.enum(ITEM_KINDS)).nullable().catch(null),
  /** Folders to leave out, one entry a level, typed and not yet saved with the job's filters; null: as saved. */
  exclude: z.array(z.array(z.string())).nullable().catch(null),
  /** The same for folders that are left out by themselves and were ticked. */
  include: z.array(z.array(z.string())).nullable().catch(null),
  /** Gmail: what becomes of labels; undefined: as saved. */
  labels: z.enum(['primary', 'keywords']).optional().catch(undefined),
  deepVerify: z.boolean().optional().catch(undefined),
  /** As typed: yyyy-mm-dd. */
  since: text,
  maxMegabytes: text,
  /** What the server showed when the person decided to trust it. */
  certificate: certificate.nullable().catch(null),
  done: z.array(z.enum(STEPS)).catch([]),
  /** The connection test that was asked for last: it may be running still. */
  run: text,
});

/** What was typed, step by step, as text; kept with the draft. Never holds a password. */
export type WizardForm = Omit<z.infer<typeof schema>, 'exclude' | 'include' | 'labels' | 'deepVerify'> & {
  readonly exclude: readonly (readonly string[])[];
  readonly include: readonly (readonly string[])[];
  readonly labels: 'primary' | 'keywords';
  readonly deepVerify: boolean;
};
export type ConnectionForm = z.infer<typeof connection>;

/** Reads the remembered form; a draft made by the JSON API is shown with what it holds. */
export function readForm(draft: Draft): WizardForm {
  const { job } = draft;
  const source = job.source.host ? job.source : null;
  const form = schema.parse({
    connection: null,
    kinds: null,
    certificate: null,
    exclude: null,
    include: null,
    ...draft.form,
  });
  return {
    ...form,
    provider: form.provider || (source ? (source.provider ?? OTHER_PROVIDER) : isOfFiles(job.source) ? 'files' : ''),
    connection:
      form.connection ??
      (source && {
        host: source.host,
        port: String(source.port),
        security: source.security,
        username: source.username,
      }),
    // What somebody emptied or unticked stays so, right or wrong.
    ...(form.connection === null && {
      davUrl: source?.dav?.url ?? '',
      ewsUrl: source?.ews?.url ?? '',
      archive: source?.options?.['archive'] === true,
      publicFolders: source?.options?.['publicFolders'] === true,
    }),
    kinds: form.kinds ?? (job.items.length > 0 ? [...job.items] : null),
    exclude: form.exclude ?? job.filters.excludeFolders ?? [],
    include: form.include ?? job.filters.includeFolders ?? [],
    labels: form.labels ?? job.options.labels ?? 'primary',
    deepVerify: form.deepVerify ?? job.options.deepVerify ?? false,
    since: form.since || (job.filters.since?.slice(0, 10) ?? ''),
    maxMegabytes:
      form.maxMegabytes || (job.filters.maxItemBytes ? String(job.filters.maxItemBytes / BYTES_PER_MEGABYTE) : ''),
    existing: draft.form.existing === undefined ? job.existing : form.existing,
    done:
      (source || isOfFiles(job.source)) && form.done.length === 0
        ? (['type', 'existing', 'items', 'connection'] satisfies Step[])
        : form.done,
  };
}

/** As the pages count when they show a size: what was typed must look the same afterwards. */
export const BYTES_PER_MEGABYTE = 1024 * 1024;

/** The form as it is kept once its folders are saved with the job's filters: not twice, they may be many. */
export function withSavedFilters(form: WizardForm): Readonly<Record<string, unknown>> {
  return { ...form, exclude: null, include: null };
}

export function markDone(form: WizardForm, step: Step): WizardForm {
  return form.done.includes(step) ? form : { ...form, done: [...form.done, step] };
}

export function kindsOf(values: readonly string[]): ItemKind[] {
  return ITEM_KINDS.filter((kind) => values.includes(kind));
}

/**
 * One folder a line, levels separated by '/', as the pages show them. A line that shows one of `known` is that one: a
 * name may hold a '/' of its own, and must not fall apart when the page is sent again.
 */
export function parseFolderLines(lines: string, known: readonly (readonly string[])[]): string[][] {
  const shown = new Map(known.map((path) => [path.join('/'), path]));
  return lines
    .split(/\r?\n/)
    .map((line) => line.trim())
    .map((line) =>
      [...(shown.get(line) ?? line.split('/'))].map((level) => level.trim()).filter((level) => level !== ''),
    )
    .filter((path) => path.length > 0);
}

export function folderLines(paths: readonly (readonly string[])[]): string {
  return paths.map((path) => path.join('/')).join('\n');
}
