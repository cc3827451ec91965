import type { ItemKind } from '../../mailbox/kinds.js';
import { ITEM_KINDS } from '../../mailbox/kinds.js';
import type { AuthCode, Giving, Provider } from '../../providers/provider.js';
import { isAvailable, providerFor, PROVIDERS, serverFor } from '../../providers/registry.js';
import type { ConnectionForm } from './wizard-form.js';

/** The words of a key, or the given ones where the locale has none. */
export type Say = (key: string, fallback: string) => string;

export type Speaks = 'imap' | 'ews' | 'dav' | 'files';

/** A provider as the pages show it. */
export interface ProviderView {
  readonly id: string;
  readonly name: string;
  readonly summary: string;
  readonly available: boolean;
  readonly pop: boolean;
  /** Why it cannot be moved, and what to do instead. */
  readonly unavailable: string | null;
  readonly givesNow: readonly ItemKind[];
  readonly gives: Readonly<Record<ItemKind, Giving>>;
  /** By what the old account is read. */
  readonly speaks: Speaks;
  /** Its calendars and contacts need no address of their own, so they are ticked unless somebody unticks them. */
  readonly knowsDav: boolean;
  /** Server, port and encryption where they are known. */
  readonly preset: Omit<ConnectionForm, 'username'> | null;
  /** The server need not be shown. */
  readonly hidesServer: boolean;
  readonly appPassword: boolean;
  /** Key under `connection.usernames`. */
  readonly usernameForm: Provider['username'];
  readonly placeholder: string;
  readonly first: string | null;
  readonly steps: readonly string[];
  readonly note: string | null;
  readonly help: string | null;
  readonly errors: Readonly<Partial<Record<AuthCode, string>>>;
}

export function providerViews(say: Say): ProviderView[] {
  return PROVIDERS.map((provider) => view(provider, say));
}

/** Null: there is none of this id. */
export function findProvider(id: string, say: Say): ProviderView | null {
  const provider = providerFor(id);
  return provider && view(provider, say);
}

/**
 * The server a user name belongs to, for providers with several. What somebody typed himself stays.
 * @param host as typed; '' or one of the provider's own
 */
export function hostFor(id: string, host: string, username: string): string {
  const provider = providerFor(id);
  if (!provider || (host !== '' && !provider.servers.some((server) => server.host === host))) return host;
  if (host !== '' && provider.asksForServer) return host;
  const domain = username.includes('@') ? username.slice(username.lastIndexOf('@') + 1) : undefined;
  return serverFor(provider, domain === undefined ? undefined : { domain })?.host ?? host;
}

function view(provider: Provider, say: Say): ProviderView {
  const { id, words } = provider;
  const word = (key: string, fallback: string): string => say(`providers.${id}.${key}`, fallback);
  const optional = (key: string, fallback: string | undefined): string | null =>
    fallback === undefined ? null : word(key, fallback);
  const server = serverFor(provider);
  const { comes } = provider;
  const speaks: Speaks = comes === 'ews' || comes === 'dav' || comes === 'files' ? comes : 'imap';
  return {
    id,
    name: provider.name,
    summary: word('summary', words.summary),
    available: isAvailable(provider),
    pop: provider.id === 'pop',
    unavailable: optional('unavailable', words.unavailable),
    givesNow: ITEM_KINDS.filter((kind) => provider.gives[kind] === 'yes'),
    gives: provider.gives,
    speaks,
    knowsDav: typeof provider.dav === 'object' || speaks !== 'imap',
    preset: server && { host: server.host, port: String(server.port), security: server.security },
    hidesServer: !provider.asksForServer && server !== null,
    appPassword: provider.refusalMeans === 'AUTH_NEEDS_APP_PASSWORD',
    usernameForm: provider.username,
    placeholder: words.placeholder,
    first: optional('first', words.first),
    steps: (words.steps ?? []).map((step, i) => word(`steps.${i + 1}`, step)),
    note: optional('note', words.note),
    help: provider.help ?? null,
    errors: Object.fromEntries(
      Object.entries(words.errors ?? {}).map(([code, text]) => [code, word(`errors.${code}`, text)]),
    ),
  };
}
