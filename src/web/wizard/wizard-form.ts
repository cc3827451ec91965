import { z } from 'zod';
import type { Draft } from '../../jobs/contract.js';
import { ITEM_KINDS, type ItemKind } from '../../mailbox/kinds.js';
import { STEPS, type Step } from './steps.js';

/** What a draft of the JSON API without a provider is shown as: any IMAP server. */
const OTHER_PROVIDER = 'imap';

/** Characters of one field that are remembered; longer input is refused by the checks anyway. */
const FIELD = 500;
/** Lines of the list of folders to leave out. */
const MAX_FOLDER_LINES = 500;

const text = z.string().max(FIELD).catch('');
const connection = z.object({
  host: text,
  port: text,
  security: z.enum(['tls', 'starttls', 'none']).catch('tls'),
  username: text,
  /** Where the settings were found; shown so that the person can judge them. */
  foundBy: z.enum(['provider', 'autoconfig', 'srv', 'mx']).optional().catch(undefined),
});
const certificate = z.object({ fingerprint: text, subject: text, issuer: text, validTo: text });
const schema = z.object({
  provider: text,
  connection: connection.nullable().catch(null),
  /** The address "find my settings" was asked for. */
  address: text,
  existing: z.enum(['keep', 'replace']).catch('keep'),
  confirm: text,
  kinds: z.array(z.enum(ITEM_KINDS)).nullable().catch(null),
  /** Paths of folders to leave out, one entry a level. */
  exclude: z.array(z.array(text).max(100)).max(MAX_FOLDER_LINES).catch([]),
  /** As typed: yyyy-mm-dd. */
  since: text,
  maxMegabytes: text,
  /** What the server showed when the person decided to trust it. */
  certificate: certificate.nullable().catch(null),
  done: z.array(z.enum(STEPS)).catch([]),
});

/** What was typed, step by step, as text; kept with the draft. Never holds a password. */
export type WizardForm = z.infer<typeof schema>;
export type ConnectionForm = z.infer<typeof connection>;

/** What a form sends: one value, several of one name, or nothing. */
export type FormBody = Readonly<Record<string, unknown>>;

/** Reads the remembered form; a draft made by the JSON API is shown with what it holds. */
export function readForm(draft: Draft): WizardForm {
  const { job } = draft;
  const source = job.source.host ? job.source : null;
  const form = schema.parse({ connection: null, kinds: null, certificate: null, ...draft.form });
  return {
    ...form,
    provider: form.provider || (source ? (source.provider ?? OTHER_PROVIDER) : ''),
    connection:
      form.connection ??
      (source && {
        host: source.host,
        port: String(source.port),
        security: source.security,
        username: source.username,
      }),
    kinds: form.kinds ?? (job.items.length > 0 ? [...job.items] : null),
    exclude: form.exclude.length > 0 ? form.exclude : (job.filters.excludeFolders ?? []).map((path) => [...path]),
    since: form.since || (job.filters.since?.slice(0, 10) ?? ''),
    maxMegabytes:
      form.maxMegabytes || (job.filters.maxItemBytes ? String(job.filters.maxItemBytes / BYTES_PER_MEGABYTE) : ''),
    existing: draft.form.existing === undefined ? job.existing : form.existing,
    done: source && form.done.length === 0 ? (['type', 'existing', 'items', 'connection'] satisfies Step[]) : form.done,
  };
}

/** As the pages count when they show a size: what was typed must look the same afterwards. */
export const BYTES_PER_MEGABYTE = 1024 * 1024;

export function markDone(form: WizardForm, step: Step): WizardForm {
  return form.done.includes(step) ? form : { ...form, done: [...form.done, step] };
}

/** The field's text, trimmed; '' when it is missing, repeated or not text. */
export function field(body: FormBody, name: string): string {
  const value = body[name];
  return typeof value === 'string' ? value.trim() : '';
}

/** A password as typed: blanks belong to it. */
export function secretField(body: FormBody, name: string): string {
  const value = body[name];
  return typeof value === 'string' ? value : '';
}

/** All values of a field that may be repeated. */
export function fields(body: FormBody, name: string): string[] {
  const value = body[name];
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((entry): entry is string => typeof entry === 'string' && entry !== '');
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
    .filter((path) => path.length > 0)
    .slice(0, MAX_FOLDER_LINES);
}

export function folderLines(paths: readonly (readonly string[])[]): string {
  return paths.map((path) => path.join('/')).join('\n');
}
