import { isDeepStrictEqual } from 'node:util';
import type { Draft } from '../../../jobs/contract.js';
import type { SourceSettings } from '../../../jobs/job.js';
import { MAX_FILE_BYTES, MAX_FILES } from '../../../jobs/upload-check.js';
import { checkConnection, checkServiceUrl, type ConnectionRules } from '../checks.js';
import { runTest } from '../run-test.js';
import { fieldProblem, refusal, type Problems, type StepContext, type StepPage } from '../step-page.js';
import { hostFor } from '../provider-view.js';
import { markDone, type ConnectionForm, type WizardForm } from '../wizard-form.js';
import { field, secretField, type FormBody } from '../../form-body.js';

const ADDRESS = /^[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+$/;

export const connectionPage: StepPage = {
  id: 'connection',
  fields: [
    'files',
    'address',
    'host',
    'port',
    'security',
    'username',
    'password',
    'davUrl',
    'ewsUrl',
    'destinationPassword',
  ],

  async view({ form, provider, draft, options, say }) {
    const connection = connectionOf(form, provider?.preset ?? null);
    const isExchange = provider?.speaks === 'ews';
    const isDav = provider?.speaks === 'dav';
    const isWeb = isExchange || isDav;
    const securities = (['tls', 'starttls', 'none'] as const).filter(
      (security) => (security !== 'none' || options.egress.allowPlaintext) && (security !== 'starttls' || !isWeb),
    );
    return {
      connection: { ...connection, foundBy: connection.foundBy ?? null },
      securities: securities.map((value) => ({
        value,
        label: say(`connection.${isWeb ? 'securitiesWeb' : 'securities'}.${value}`, value),
        selected: value === connection.security,
      })),
      // Folded away while it is what we filled in; what somebody changed must be seen.
      serverOpen: provider?.preset !== null && connection.host !== provider?.preset?.host,
      needsDestinationSecret: options.destinationNeedsSecret,
      hasDestinationSecret: draft.hasDestinationSecret,
      passwordKept: draft.hasSecret && isUnchanged(form, connection, draft.job.source),
      finds: provider?.hidesServer !== true && !isDav,
      isExchange,
      isDav,
      isWeb,
      isFiles: provider?.speaks === 'files',
      files: draft.job.source.files ?? [],
      limits: { files: MAX_FILES, bytes: MAX_FILE_BYTES },
      asksForDav: asksForDav(form, provider),
      pinned: draft.job.source.caFingerprint ? form.certificate : null,
    };
  },

  async submit(context, body) {
    if (context.provider?.speaks === 'files') return { go: 'connection' };
    return field(body, 'do') === 'find' ? find(context, body) : save(context, body);
  },

  keep: ({ form }, body) => typed(form, body),
};

/** Looks for the settings of an address and shows them to be confirmed; nothing is signed in to. */
async function find(context: StepContext, body: FormBody) {
  const form = typed(context.form, body);
  if (!ADDRESS.test(form.address)) return again(form, fieldProblem('address', 'connection.addressInvalid'));
  try {
    const isExchange = context.provider?.speaks === 'ews';
    const found = await context.tests.discover(context.who, form.address, isExchange ? 'ews' : 'imap');
    if (!found.found || !found.host)
      return again(form, fieldProblem('address', isExchange ? noExchange(found.provider) : 'connection.notFound'));
    const typedName = isExchange ? (form.connection?.username ?? '') : '';
    const next: WizardForm = {
      ...form,
      ...(isExchange && { ewsUrl: '' }),
      connection: {
        host: found.host,
        port: String(found.port ?? ''),
        security: found.security ?? 'tls',
        // A name such as COMPANY\\anna is known to nobody but the person.
        username: typedName || (found.username ?? form.address),
        foundBy: foundBy(found.by),
      },
    };
    await context.jobs.patch(context.who, context.draft.job.id, { form: next });
    return { go: 'connection' as const };
  } catch (error) {
    return again(form, refusal(error));
  }
}

function noExchange(provider: string | undefined): string {
  return provider === 'microsoft365' || provider === 'outlook'
    ? 'connection.atMicrosoft'
    : 'connection.notFoundExchange';
}

/** Of what a stored password goes to. */
function isUnchanged({ davUrl, ewsUrl }: WizardForm, connection: ConnectionForm, saved: SourceSettings): boolean {
  const { host, username, dav, ews } = saved;
  const typedThere = [connection.host, connection.username, davUrl, ewsUrl];
  return host !== '' && isDeepStrictEqual(typedThere, [host, username, dav?.url ?? '', ews?.url ?? '']);
}

async function save(context: StepContext, body: FormBody) {
  const { jobs, who, draft, options, provider } = context;
  const form = provider?.speaks === 'dav' ? ofAddress(typed(context.form, body)) : typed(context.form, body);
  const connection = connectionOf(form, provider?.preset ?? null);
  const password = secretField(body, 'password');
  const destinationPassword = secretField(body, 'destinationPassword');
  const isExchange = provider?.speaks === 'ews';
  const speaks: 'imap' | 'ews' | 'dav' =
    provider?.speaks === 'ews' || provider?.speaks === 'dav' ? provider.speaks : 'imap';
  const rules = { ...rulesOf(options, draft), speaks };
  const { errors, source } = checkConnection(connection, password, destinationPassword, rules);
  const davUrl = asksForDav(form, provider) ? form.davUrl : '';
  const ewsUrl = isExchange ? form.ewsUrl : '';
  const { source: before } = draft.job;
  const { allowPlaintext } = options.egress;
  const davProblem = checkServiceUrl('davUrl', davUrl, password, before, allowPlaintext);
  const ewsProblem = checkServiceUrl('ewsUrl', ewsUrl, password, before, allowPlaintext);
  const wide = exchangeOptions(form);
  const widened =
    password === '' && isExchange && before.host !== '' && !isDeepStrictEqual(before.options ?? {}, wide)
      ? { password: { key: 'connection.errors.passwordAgain' } }
      : null;
  if (source === null || davProblem !== null || ewsProblem !== null || widened !== null) {
    // What was typed outlives a look at another step, right or wrong.
    await jobs.patch(who, draft.job.id, { form });
    return again(form, { errors: { ...errors, ...davProblem, ...ewsProblem, ...widened }, alert: null });
  }
  const pinned =
    keepsPin(draft.job.source, source) && field(body, 'unpin') === '' ? draft.job.source.caFingerprint : undefined;
  const next = markDone({ ...form, certificate: pinned ? form.certificate : null }, 'connection');
  try {
    await jobs.patch(who, draft.job.id, {
      source: {
        type: speaks,
        ...(form.provider && { provider: form.provider }),
        ...source,
        ...(davUrl !== '' && { dav: { url: davUrl } }),
        ...(ewsUrl !== '' && { ews: { url: ewsUrl } }),
        ...(isExchange && Object.keys(wide).length > 0 && { options: wide }),
        ...(pinned && { caFingerprint: pinned }),
      },
      ...(password !== '' && { secret: { password } }),
      ...(destinationPassword !== '' && { destination: { password: destinationPassword } }),
      form: next,
    });
    await runTest(context, next);
  } catch (error) {
    return again(form, onField(error));
  }
  return { go: 'test' as const };
}

/** What of Exchange is read only where somebody asks for it. */
function exchangeOptions({ archive, publicFolders }: WizardForm): Readonly<Record<string, boolean>> {
  return { ...(archive && { archive: true }), ...(publicFolders && { publicFolders: true }) };
}

/** Only for what needs it, and only where the address is not the same for every account of the provider. */
function asksForDav({ kinds }: WizardForm, provider: StepContext['provider']): boolean {
  if (provider?.speaks === 'dav') return true;
  return provider?.knowsDav !== true && (kinds ?? []).some((kind) => kind !== 'mail');
}

function again(form: WizardForm, problems: Problems) {
  return { again: form, problems };
}

export function rulesOf(options: StepContext['options'], draft: Draft): ConnectionRules {
  return {
    allowPlaintext: options.egress.allowPlaintext,
    ports: options.egress.allowPrivate ? null : options.egress.ports,
    hasSecret: draft.hasSecret,
    sealedFor: draft.job.source.host ? draft.job.source : null,
    needsDestinationSecret: options.destinationNeedsSecret,
    hasDestinationSecret: draft.hasDestinationSecret,
  };
}

/** A certificate is trusted for one server only. */
function keepsPin(before: SourceSettings, after: Pick<SourceSettings, 'host' | 'port'>): boolean {
  return before.host === after.host && before.port === after.port;
}

/** What was typed, else what is known of the provider. */
export function connectionOf(form: WizardForm, preset: Omit<ConnectionForm, 'username'> | null): ConnectionForm {
  if (form.connection) return form.connection;
  return preset ? { ...preset, username: '' } : { host: '', port: '', security: 'tls', username: '' };
}

function typed(form: WizardForm, body: FormBody): WizardForm {
  const security = field(body, 'security');
  return {
    ...form,
    davUrl: 'davUrl' in body ? field(body, 'davUrl') : form.davUrl,
    ewsUrl: 'ewsUrl' in body ? field(body, 'ewsUrl') : form.ewsUrl,
    // An unticked box sends nothing, so a field of the same page tells that they were shown.
    archive: 'ewsUrl' in body ? field(body, 'archive') !== '' : form.archive,
    publicFolders: 'ewsUrl' in body ? field(body, 'publicFolders') !== '' : form.publicFolders,
    address: 'address' in body ? field(body, 'address') : form.address,
    connection: {
      host: hostFor(form.provider, field(body, 'host'), field(body, 'username')),
      port: field(body, 'port'),
      security: security === 'starttls' || security === 'none' ? security : 'tls',
      username: field(body, 'username'),
    },
  };
}

/** People copy the address out of their browser: its host is the server, and with a path it says where calendars are. */
function ofAddress(form: WizardForm): WizardForm {
  const { connection } = form;
  if (!connection || !/^https?:\/\//i.test(connection.host) || !URL.canParse(connection.host)) return form;
  const { hostname, port, protocol, pathname, origin } = new URL(connection.host);
  const security = protocol === 'http:' ? 'none' : 'tls';
  // Only what stands before the pages of the program: /nextcloud/index.php/apps/calendar is at /nextcloud.
  const path = pathname.replace(/\/(?:index\.php|apps|login|remote\.php)(?:\/.*)?$/, '').replace(/\/+$/, '');
  return {
    ...form,
    davUrl: form.davUrl || (path === '' ? '' : `${origin}${path}/remote.php/dav/`),
    connection: { ...connection, host: hostname, port: connection.port || port, security },
  };
}

function foundBy(by: string | undefined): ConnectionForm['foundBy'] {
  return by === 'autoconfig' || by === 'srv' || by === 'mx' || by === 'autodiscover' ? by : 'provider';
}

const FIELD_OF: Readonly<Record<string, string>> = {
  TARGET_NOT_ALLOWED: 'host',
  HOST_NOT_FOUND: 'host',
  SAME_MAILBOX: 'username',
  PORT_NOT_ALLOWED: 'port',
  TLS_REQUIRED: 'security',
  CREDENTIALS_REQUIRED: 'password',
};

/** A refusal belongs next to the field it is about. */
function onField(error: unknown): Problems {
  const problems = refusal(error);
  const name = FIELD_OF[problems.alert?.code ?? ''];
  if (!name || !problems.alert) return problems;
  return { errors: { [name]: { text: problems.alert.message } }, alert: null };
}
