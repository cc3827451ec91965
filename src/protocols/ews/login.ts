import type { IncomingHttpHeaders } from 'node:http';

/** How an account is signed in to. */
export type EwsLogin =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string };

/** Whose mailbox is opened: one's own, or another one by a right that the administrator gave. */
export type EwsMailbox =
  | { readonly by: 'own' }
  /** The role ApplicationImpersonation. */
  | { readonly by: 'impersonation'; readonly address: string }
  /** Full access, given in the mailbox's permissions. */
  | { readonly by: 'delegation'; readonly address: string };

/** The user name is sent as it was typed: an address, a UPN, DOMAIN\user or user. */
export function authorizationOf(login: EwsLogin): string {
  if (login.kind === 'token') return `Bearer ${login.token}`;
  return `Basic ${Buffer.from(`${login.user}:${login.password}`, 'utf8').toString('base64')}`;
}

/** A refusal that names Windows authentication and nothing else that we could do. */
export function offersWindowsOnly(headers: IncomingHttpHeaders): boolean {
  const offered = String(headers['www-authenticate'] ?? '');
  return /\b(?:ntlm|negotiate)\b/i.test(offered) && !/\b(?:basic|bearer)\b/i.test(offered);
}
