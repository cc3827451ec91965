import { ImapFlow } from 'imapflow';
import { connect, type Connected, type ConnectPolicy, type ConnectTarget } from '../connect.js';
import { ConnectError } from '../connect-error.js';
import { underDeadline } from '../deadline.js';
import { ImapConnection } from './connection.js';
import { ImapFailure } from './failure.js';
import { OPEN_DEADLINE_MS, WIRE_LIMITS } from './limits.js';
import { quickSignIn } from './quick-sign-in.js';
import { scrubber } from './scrub.js';
import type { ServerTraits } from './traits.js';

/** `authzid`: SASL PLAIN signs in as `user` and acts as `authzid`. A composite login is a password login. */
export type ImapLogin =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'authzid'; readonly user: string; readonly password: string; readonly authzid: string }
  | { readonly kind: 'token'; readonly user: string; readonly token: string };

export interface OpenOptions {
  readonly policy: ConnectPolicy;
  /** For everything up to a signed-in session (ms). */
  readonly deadlineMs?: number;
  /** Of the account; default: none learnt yet. */
  readonly traits?: ServerTraits;
}

/** Tokens of an answer before we take over: capability lists and the like. */
const SIGN_IN_TOKENS = 10_000;
/** One name for all that imapflow calls a limit. */
const TOO_LARGE = /^(LineTooLarge|LiteralTooLarge|ResponseTooLarge|TooManyTokens|TooManyResponses|MAX_IMAP_NESTING)/;
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * Dials the checked address, makes the connection safe, and signs in: by one line where the greeting allows it, else by
 * imapflow, from which the socket is then taken over. No
 * credential leaves before TLS stands (unless the policy allows plaintext); a session that was signed in without us
 * asking (PREAUTH) is refused.
 * @throws ConnectError, ImapFailure, or the signal's reason.
 */
export async function openImap(
  target: ConnectTarget,
  login: ImapLogin,
  options: OpenOptions,
  signal: AbortSignal,
): Promise<ImapConnection> {
  for (const text of secretsOf(login).concat(login.user)) {
    if (CONTROL.test(text))
      throw new ImapFailure('input', 'a user name or password has a character that cannot be sent');
  }
  const late = (): Error => new ConnectError('TIMEOUT', 'The server did not answer in time.');
  return underDeadline(options.deadlineMs ?? OPEN_DEADLINE_MS, signal, late, async (deadline) => {
    const say = options.policy.trace?.connection() ?? null;
    try {
      say?.(`- dial ${target.host} port ${target.port} ${target.security}, sign in by ${login.kind}`);
      const connection = await opened(target, login, options, deadline);
      say?.(`- signed in: ${[...connection.capabilities].join(' ')}`);
      connection.traceTo(say);
      return connection;
    } catch (error) {
      say?.(`- not signed in: ${traced(error)}`);
      throw error;
    }
  });
}

async function opened(
  target: ConnectTarget,
  login: ImapLogin,
  options: OpenOptions,
  deadline: AbortSignal,
): Promise<ImapConnection> {
  const quick = await signInQuickly(target, login, options, deadline);
  if (quick !== null && 'connection' in quick) return quick.connection;
  const connected = quick?.connected ?? (await connect(target, options.policy, deadline));
  return signIn(target, connected, login, options.traits, deadline);
}

/** Null: a way on which this server has stumbled. `connected`: it says nothing about this way, and imapflow goes on. */
async function signInQuickly(
  target: ConnectTarget,
  login: ImapLogin,
  { policy, traits }: OpenOptions,
  signal: AbortSignal,
): Promise<{ connection: ImapConnection } | { connected: Connected } | null> {
  if (login.kind === 'token' || target.security === 'starttls' || traits?.signsInStepByStep === true) return null;
  const connected = await connect(target, policy, signal);
  const plain = { authzid: login.kind === 'authzid' ? login.authzid : '', user: login.user, password: login.password };
  try {
    const connection = await quickSignIn(connected.socket, plain, scrubber(...maskedForms(login)), traits, signal);
    return connection === null ? { connected } : { connection };
  } catch (error) {
    connected.socket.destroy();
    if (signal.aborted) throw signal.reason;
    if (!(error instanceof ImapFailure) || (error.kind !== 'bad' && error.kind !== 'protocol')) throw error;
    if (traits !== undefined) traits.signsInStepByStep = true;
    return null;
  }
}

async function signIn(
  target: ConnectTarget,
  connected: Connected,
  login: ImapLogin,
  traits: ServerTraits | undefined,
  signal: AbortSignal,
): Promise<ImapConnection> {
  const scrub = scrubber(...maskedForms(login));
  let waitMs: number | null = null;
  // A server that asks us to wait makes imapflow sit still for as long; only its log says so. Nothing is written down.
  const silent = (): void => undefined;
  const watching = {
    debug: silent,
    info: silent,
    error: silent,
    warn(entry: { throttleDelay?: unknown }): void {
      if (typeof entry.throttleDelay !== 'number') return;
      waitMs = entry.throttleDelay;
      flow.close();
    },
  };
  const flow = new ImapFlow({
    host: target.host,
    port: target.port,
    secure: target.security === 'tls',
    doSTARTTLS: target.security === 'starttls' ? true : target.security === 'none' ? false : undefined,
    transport: {
      connect(_options, onConnect) {
        setImmediate(onConnect);
        return connected.socket;
      },
      upgrade: (_socket, _options, onSecure) => connected.upgradeNow(onSecure),
    },
    auth: authOf(login),
    clientInfo: { name: 'Mailferry', version: false, vendor: false, 'support-url': false },
    logger: watching,
    disableAutoIdle: true,
    disableAutoEnable: true,
    disableCompression: true,
    disableIMAP4rev2: true,
    maxLineLength: WIRE_LIMITS.lineBytes,
    maxLiteralSize: WIRE_LIMITS.keptLiteralBytes,
    maxResponseSize: WIRE_LIMITS.responseBytes,
    maxResponseTokens: SIGN_IN_TOKENS,
  });
  let late: unknown = null;
  // imapflow reports some errors only here; unheard, they would end the process (postalsys/imapflow#302).
  flow.on('error', (error) => {
    late ??= error;
  });
  const onAbort = (): void => flow.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await flow.connect();
    // imapflow keeps the text of an OK greeting only: without one it was PREAUTH, and nobody asked for our password.
    if (flow.greeting === undefined) {
      throw new ImapFailure('protocol', 'the server signed us in without asking who we are');
    }
    if (late !== null) throw late;
    // imapflow keeps the number of APPENDLIMIT=n apart from its name.
    const capabilities = new Set(
      [...flow.capabilities].map(([name, value]) =>
        (typeof value === 'number' ? `${name}=${value}` : name).toUpperCase(),
      ),
    );
    const { socket } = flow.unbind();
    socket.setTimeout(0);
    return new ImapConnection(socket, capabilities, scrub, traits);
  } catch (error) {
    flow.close();
    connected.socket.destroy();
    if (signal.aborted) throw signal.reason;
    if (waitMs !== null) {
      const serverText = `Request is throttled. Suggested Backoff Time: ${waitMs} milliseconds`;
      throw new ImapFailure('auth', 'the server asks us to wait', { serverText });
    }
    throw signInFailure(error, late, scrub);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function authOf(login: ImapLogin): NonNullable<ConstructorParameters<typeof ImapFlow>[0]>['auth'] {
  switch (login.kind) {
    case 'password':
      return { user: login.user, pass: login.password };
    case 'authzid':
      return { user: login.user, pass: login.password, authzid: login.authzid, loginMethod: 'AUTH=PLAIN' };
    case 'token':
      return { user: login.user, accessToken: login.token };
  }
}

function secretsOf(login: ImapLogin): string[] {
  return login.kind === 'token' ? [login.token] : [login.password];
}

/** The secret, and the SASL answers it is part of. */
function maskedForms(login: ImapLogin): [string[], string[]] {
  if (login.kind === 'token') return [[login.token], []];
  const authzid = login.kind === 'authzid' ? login.authzid : '';
  return [[login.password], [`${authzid}\0${login.user}\0${login.password}`]];
}

interface FlowError {
  readonly code?: string;
  readonly response?: unknown;
  readonly responseText?: unknown;
  readonly serverResponseCode?: string;
  readonly authenticationFailed?: boolean;
  readonly tlsFailed?: boolean;
  readonly oauthError?: unknown;
  readonly reason?: unknown;
  readonly message?: string;
}

function signInFailure(error: unknown, late: unknown, scrub: (text: string) => string): unknown {
  if (error instanceof ConnectError || error instanceof ImapFailure) return error;
  if (late instanceof ConnectError) return late;
  const told = (error ?? {}) as FlowError;
  const code = String(told.code ?? '');
  const said = [told.response, told.responseText, told.reason].find((text) => typeof text === 'string') as
    string | undefined;
  const serverText = scrub((said ?? '').replace(/^\S{1,20} (?:NO|BAD|BYE) /i, ''));
  const details = { serverText, responseCode: told.serverResponseCode?.toUpperCase() ?? null };
  if (TOO_LARGE.test(code)) return new ImapFailure('too-large', 'the server sent too long an answer', details);
  if (code === 'STARTTLS_INJECTION') {
    return new ConnectError('PROTOCOL_ERROR', 'Somebody put data into the connection before it was encrypted.', {
      why: 'plaintext-injected',
    });
  }
  if (told.tlsFailed === true) {
    return code === ''
      ? new ImapFailure('insecure', 'the server offers no encryption', details)
      : new ConnectError('CONNECT_FAILED', 'The server closed the connection.', {
          why: 'closed',
          cause: scrubbed(error, scrub),
        });
  }
  if (told.authenticationFailed === true || /Unsupported authentication mechanism/.test(told.message ?? '')) {
    return new ImapFailure('auth', 'the server refused the sign-in', details);
  }
  if (/TIMEOUT/.test(code)) return new ConnectError('TIMEOUT', 'The server did not answer in time.');
  if (/Parser|InvalidResponse|UnexpectedTag|MissingTag|ResponseProcessing/.test(code)) {
    return new ImapFailure('protocol', 'the server does not speak IMAP', details);
  }
  if (serverText !== '') return new ImapFailure('bye', 'the server ended the connection', details);
  return new ImapFailure('closed', 'the server closed the connection', { cause: scrubbed(error, scrub) });
}

/** Our own words and what the server said, which is masked already. */
function traced(error: unknown): string {
  if (error instanceof ImapFailure) return [error.message, error.serverText].filter((text) => text !== '').join(': ');
  return error instanceof ConnectError ? `${error.code}: ${error.message}` : 'unknown';
}

/** An error's text without secrets; imapflow's own error object may hold what was sent. */
function scrubbed(error: unknown, scrub: (text: string) => string): Error {
  return new Error(scrub(error instanceof Error ? error.message : 'unknown'));
}
