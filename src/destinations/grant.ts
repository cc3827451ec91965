import type { Security } from '../mailbox/target.js';

/**
 * The way into the new mailbox, with its secret revealed: made by the worker from what the panel grants, for one
 * connection, and never kept. `imap-authzid`: an administrator signs in and acts as the owner; `imap-composite`: the
 * login names both; `user-secret`: the owner's own password.
 */
export type ResolvedGrant = {
  readonly endpoint: {
    readonly host: string;
    readonly port: number;
    readonly security: Security;
    /** PEM of the certificate authority, for a private one. */
    readonly ca?: string;
    /** SHA-256 of the one certificate that is accepted although it cannot be checked. */
    readonly caFingerprint?: string;
  };
  readonly dav?: { readonly url: string; readonly ca?: string };
} & (
  | { readonly kind: 'imap-authzid'; readonly authcid: string; readonly password: string; readonly authzid: string }
  | { readonly kind: 'imap-composite' | 'user-secret'; readonly login: string; readonly password: string }
);
