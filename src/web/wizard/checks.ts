import type { JobFilters, SourceSettings } from '../../jobs/job.js';
import { parseHost } from '../../mailbox/address.js';
import { BYTES_PER_MEGABYTE, MAX_EXCLUDED, type ConnectionForm, type WizardForm } from './wizard-form.js';

/** Field name -> key of the sentence in the locale file, with what it needs to be filled in. */
export type FieldErrors = Readonly<Record<string, FieldError>>;
export type FieldError =
  | { readonly key: string; readonly values?: Readonly<Record<string, string | number>> }
  /** Already a sentence: a refusal by the jobs room. */
  | { readonly text: string };

/** RFC 5321 section 4.5.3.1: 64 + '@' + 255. */
const MAX_USERNAME = 320;
const MAX_PASSWORD = 1024;
const MAX_PORT = 65_535;
const CONTROL = /[\u0000-\u001f\u007f]/;
const DEFAULT_PORTS = {
  imap: { tls: 993, starttls: 143, none: 143 },
  ews: { tls: 443, starttls: 443, none: 80 },
  dav: { tls: 443, starttls: 443, none: 80 },
} as const;

export interface ConnectionRules {
  readonly allowPlaintext: boolean;
  /** Null: every port. */
  readonly ports: readonly number[] | null;
  /** A password is sealed with the draft. */
  readonly hasSecret: boolean;
  /** What the sealed password was typed for. */
  readonly sealedFor: Pick<SourceSettings, 'host' | 'security' | 'username'> | null;
  readonly needsDestinationSecret: boolean;
  readonly hasDestinationSecret: boolean;
  /** By what the old account is read. Default: IMAP. */
  readonly speaks?: keyof typeof DEFAULT_PORTS;
}

export interface CheckedConnection {
  readonly errors: FieldErrors;
  /** Null when there are errors. */
  readonly source: Pick<SourceSettings, 'host' | 'port' | 'security' | 'username'> | null;
}

/**
 * Checks the connection form. A sealed password is only kept for the server and user name it was typed for, and never
 * for a connection in clear: who may change the form must not be able to send somebody's password elsewhere.
 */
export function checkConnection(
  form: ConnectionForm,
  password: string,
  destinationPassword: string,
  rules: ConnectionRules,
): CheckedConnection {
  const errors: Record<string, FieldError> = {};
  const host = normaliseHost(form.host);
  if (form.host === '') errors.host = { key: 'connection.errors.hostMissing' };
  else if (host === null)
    errors.host = {
      key: form.host.includes('@') ? 'connection.errors.hostIsAddress' : 'connection.errors.hostInvalid',
    };

  if (form.security === 'none' && !rules.allowPlaintext)
    errors.security = { key: 'connection.errors.plaintextForbidden' };

  const port = form.port === '' ? DEFAULT_PORTS[rules.speaks ?? 'imap'][form.security] : parseWholeNumber(form.port);
  if (port === null || port < 1 || port > MAX_PORT) errors.port = { key: 'connection.errors.portInvalid' };
  else if (rules.ports && !rules.ports.includes(port))
    errors.port = { key: 'connection.errors.portForbidden', values: { ports: rules.ports.join(', ') } };

  if (form.username === '') errors.username = { key: 'connection.errors.usernameMissing' };
  else if (form.username.length > MAX_USERNAME || CONTROL.test(form.username))
    errors.username = { key: 'connection.errors.usernameInvalid' };

  const kept =
    rules.hasSecret &&
    rules.sealedFor?.host === host &&
    rules.sealedFor.username === form.username &&
    (form.security !== 'none' || rules.sealedFor.security === 'none');
  if (password === '' && !kept)
    errors.password = {
      key: rules.hasSecret ? 'connection.errors.passwordAgain' : 'connection.errors.passwordMissing',
    };
  else if (!isPassword(password)) errors.password = { key: 'connection.errors.passwordInvalid' };

  if (rules.needsDestinationSecret) {
    if (destinationPassword === '' && !rules.hasDestinationSecret)
      errors.destinationPassword = { key: 'connection.errors.destinationPasswordMissing' };
    else if (!isPassword(destinationPassword))
      errors.destinationPassword = { key: 'connection.errors.passwordInvalid' };
  }

  if (Object.keys(errors).length > 0) return { errors, source: null };
  return { errors, source: { host: host!, port: port!, security: form.security, username: form.username } };
}

/**
 * The address of calendars and contacts, or of Exchange's web service: '' is none. A sealed password does not go to another
 * address than it was typed for.
 * Null: nothing against it.
 */
export function checkServiceUrl(
  name: 'davUrl' | 'ewsUrl',
  typed: string,
  password: string,
  before: SourceSettings,
  allowPlaintext: boolean,
): FieldErrors | null {
  if (typed !== '') {
    let url: URL;
    try {
      url = new URL(typed);
    } catch {
      return { [name]: { key: `connection.errors.${name}Invalid` } };
    }
    const scheme = url.protocol === 'https:' || (allowPlaintext && url.protocol === 'http:');
    if (!scheme || url.username !== '' || url.password !== '' || normaliseHost(url.hostname) === null)
      return { [name]: { key: `connection.errors.${name}Invalid` } };
  }
  const known = name === 'davUrl' ? before.dav : before.ews;
  if (password === '' && before.host !== '' && (known?.url ?? '') !== typed)
    return { password: { key: 'connection.errors.passwordAgain' } };
  return null;
}

/** A host as it is stored, or null when it is none: what parseHost takes is exactly what can be dialled. */
export function normaliseHost(typed: string): string | null {
  return parseHost(typed) === null ? null : typed.trim().toLowerCase().replace(/\.$/, '');
}

export function checkItems(form: WizardForm, today: Date): { errors: FieldErrors; filters: JobFilters } {
  const errors: Record<string, FieldError> = {};
  if (!form.kinds || form.kinds.length === 0) errors.kinds = { key: 'items.errors.none' };
  if (form.exclude.length > MAX_EXCLUDED)
    errors.exclude = { key: 'items.errors.tooManyFolders', values: { max: MAX_EXCLUDED } };
  const since = form.since === '' ? null : parseDay(form.since);
  if (form.since !== '' && since === null) errors.since = { key: 'items.errors.sinceInvalid' };
  else if (since && since > today) errors.since = { key: 'items.errors.sinceFuture' };
  const megabytes = form.maxMegabytes === '' ? null : Number(form.maxMegabytes.replace(',', '.'));
  if (megabytes !== null && !(megabytes > 0 && megabytes <= MAX_MEGABYTES))
    errors.maxMegabytes = { key: 'items.errors.sizeInvalid', values: { max: MAX_MEGABYTES } };
  if (Object.keys(errors).length > 0) return { errors, filters: {} };
  return {
    errors,
    filters: {
      ...(form.exclude.length > 0 && { excludeFolders: form.exclude }),
      ...(form.include.length > 0 && { includeFolders: form.include }),
      ...(since && { since: since.toISOString() }),
      ...(megabytes && { maxItemBytes: Math.round(megabytes * BYTES_PER_MEGABYTE) }),
    },
  };
}

/** No mail server takes a message this large; a bigger number is a slip of the finger. */
const MAX_MEGABYTES = 10_000;

/** yyyy-mm-dd as the start of that day, UTC; null when there is no such day. */
function parseDay(text: string): Date | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null;
  const date = new Date(`${text}T00:00:00Z`);
  return Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== text ? null : date;
}

function parseWholeNumber(text: string): number | null {
  return /^\d{1,6}$/.test(text) ? Number(text) : null;
}

/** The typed confirmation of a replace: the mailbox's address, capitals aside. */
export function confirms(typed: string, mailbox: string): boolean {
  return typed.trim().toLowerCase() === mailbox.toLowerCase();
}

/** Whether it may be sent to a server as it is; '' is for the caller to judge. */
export function isPassword(text: string): boolean {
  return text.length <= MAX_PASSWORD && !CONTROL.test(text);
}
