import type { BatchView } from '../../batches/batch.js';
import { USERNAME_RULES } from '../../batches/batch.js';
import type { BatchSettings, NewBatchAuth } from '../../batches/contract.js';
import { JobError } from '../../jobs/contract.js';
import { ITEM_KINDS } from '../../mailbox/kinds.js';
import { field, secretField, type FormBody } from '../form-body.js';

/** What was typed about the old server, as text. Never holds a password. */
export interface ServerForm {
  readonly name: string;
  /** The address "find my settings" is asked for. */
  readonly address: string;
  /** By what the old server is read. */
  readonly kind: 'imap' | 'ews';
  readonly host: string;
  readonly port: string;
  readonly security: 'tls' | 'starttls' | 'none';
  readonly fingerprint: string;
  readonly auth: NewBatchAuth['kind'];
  readonly method: 'composite' | 'authzid' | 'impersonation';
  readonly admin: string;
  readonly template: string;
  readonly rule: (typeof USERNAME_RULES)[number];
  readonly oldDomain: string;
  readonly userTemplate: string;
}

export const SERVER_FIELDS = [
  'name',
  'address',
  'kind',
  'host',
  'port',
  'security',
  'fingerprint',
  'auth',
  'method',
  'admin',
  'adminPassword',
  'template',
  'rule',
  'oldDomain',
  'userTemplate',
] as const;
export type ServerErrors = Partial<Record<(typeof SERVER_FIELDS)[number], string>>;

const EMPTY: ServerForm = {
  name: '',
  address: '',
  kind: 'imap',
  host: '',
  port: '',
  security: 'tls',
  fingerprint: '',
  auth: 'admin',
  method: 'composite',
  admin: '',
  template: '{user}*{admin}',
  rule: 'address',
  oldDomain: '',
  userTemplate: '{local}',
};
const DEFAULT_PORTS = {
  imap: { tls: 993, starttls: 143, none: 143 },
  ews: { tls: 443, starttls: 443, none: 80 },
} as const;

export function emptyForm(askUserOnly: boolean): ServerForm {
  return askUserOnly ? { ...EMPTY, auth: 'ask-user' } : EMPTY;
}

/** Of a batch that is set up already. */
export function formOf({ name, source, auth, options }: BatchView): ServerForm {
  const { usernames } = options;
  return {
    ...EMPTY,
    name,
    kind: source.type === 'ews' ? 'ews' : 'imap',
    host: source.host,
    port: String(source.port),
    security: source.security,
    fingerprint: source.caFingerprint ?? '',
    auth: auth.kind,
    method: source.login?.method === 'delegate' ? EMPTY.method : (source.login?.method ?? EMPTY.method),
    admin: source.login?.username ?? '',
    template: source.login?.template ?? EMPTY.template,
    rule: usernames.rule,
    oldDomain: usernames.domain ?? '',
    userTemplate: usernames.template ?? EMPTY.userTemplate,
  };
}

export function readServerForm(body: FormBody): ServerForm {
  const one = <T extends string>(name: string, values: readonly T[], otherwise: T): T =>
    values.find((value) => value === field(body, name)) ?? otherwise;
  return {
    name: field(body, 'name'),
    address: field(body, 'address'),
    kind: one('kind', ['imap', 'ews'], 'imap'),
    host: field(body, 'host'),
    port: field(body, 'port'),
    security: one('security', ['tls', 'starttls', 'none'], 'tls'),
    fingerprint: field(body, 'fingerprint'),
    auth: one('auth', ['admin', 'per-row', 'ask-user'], 'admin'),
    method: one('method', ['composite', 'authzid', 'impersonation'], 'composite'),
    admin: field(body, 'admin'),
    template: field(body, 'template') || EMPTY.template,
    rule: one('rule', USERNAME_RULES, 'address'),
    oldDomain: field(body, 'oldDomain'),
    userTemplate: field(body, 'userTemplate') || EMPTY.userTemplate,
  };
}

/** The settings the form means; whether they are right is said by the batches room. */
export function settingsOf(form: ServerForm, body: FormBody): BatchSettings & { readonly name: string } {
  const { kind, host, security, fingerprint, rule } = form;
  const port = form.port === '' ? DEFAULT_PORTS[kind][security] : Number(form.port);
  const auth: NewBatchAuth =
    form.auth === 'admin'
      ? {
          kind: 'admin',
          method: form.method,
          username: form.admin,
          password: secretField(body, 'adminPassword'),
          ...(form.method === 'composite' && { template: form.template }),
        }
      : { kind: form.auth };
  return {
    name: form.name,
    source: { type: kind, host, port, security, ...(fingerprint !== '' && { caFingerprint: fingerprint }) },
    auth,
    options: {
      // Exchange gives all it has by one sign-in.
      ...(kind === 'ews' && { items: [...ITEM_KINDS] }),
      usernames: {
        rule,
        ...(rule === 'old-domain' && { domain: form.oldDomain }),
        ...(rule === 'template' && { template: form.userTemplate }),
      },
    },
  };
}

const FIELD_OF: readonly (readonly [RegExp, (typeof SERVER_FIELDS)[number]])[] = [
  [/^source\.host/, 'host'],
  [/^source\.port/, 'port'],
  [/^source\.security/, 'security'],
  [/^source\.caFingerprint/, 'fingerprint'],
  [/^source\.login\.username/, 'admin'],
  [/^source\.login/, 'template'],
  [/^(secret|auth)/, 'adminPassword'],
  [/^options\.usernames\.domain/, 'oldDomain'],
  [/^options\.usernames/, 'userTemplate'],
];
const FIELD_OF_CODE: Readonly<Record<string, (typeof SERVER_FIELDS)[number]>> = {
  TARGET_NOT_ALLOWED: 'host',
  HOST_NOT_FOUND: 'host',
  PORT_NOT_ALLOWED: 'port',
  TLS_REQUIRED: 'security',
  IMPERSONATION_UNSUPPORTED: 'method',
  ASK_USER_ONLY: 'auth',
};

/** A refusal next to the field it is about. Null: about none. @param say the sentence for a field that is not right */
export function errorsOf(error: unknown, say: (name: string) => string): ServerErrors | null {
  if (!(error instanceof JobError)) throw error;
  const name = FIELD_OF_CODE[error.code];
  if (name !== undefined) return { [name]: error.message };
  if (error.code !== 'VALIDATION') return null;
  const errors: ServerErrors = {};
  for (const path of Object.keys(error.details ?? {})) {
    const found = FIELD_OF.find(([pattern]) => pattern.test(path));
    if (found !== undefined) errors[found[1]] ??= say(found[1]);
  }
  return Object.keys(errors).length > 0 ? errors : null;
}
