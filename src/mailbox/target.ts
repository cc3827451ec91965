import { isInRanges, isLocalName, isPublicAddress, parseHost } from './address.js';

export type Security = 'tls' | 'starttls' | 'none';

/** A server somebody asks us to dial. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly security: Security;
}

/** What may be dialled. */
export interface TargetPolicy {
  /** True only for tests and closed networks: any address and any port. */
  readonly allowPrivate: boolean;
  /** True: `security: 'none'` may be chosen. */
  readonly allowPlaintext: boolean;
  readonly ports: readonly number[] | 'any';
  /** CIDR ranges that may be dialled although they are not public. */
  readonly allowedRanges?: readonly string[];
}

/** Every address of a name, as the machine finds them. Rejects when there is none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** Fixed words: they never tell whether a port is open, or what a name resolved to. */
export interface Refusal {
  readonly code: 'TARGET_NOT_ALLOWED' | 'PORT_NOT_ALLOWED' | 'TLS_REQUIRED' | 'VALIDATION';
  readonly message: string;
}

const REFUSALS = {
  host: { code: 'VALIDATION', message: 'This is not the name or the address of a server.' },
  port: { code: 'PORT_NOT_ALLOWED', message: 'This port may not be used. Mail servers usually answer on port 993.' },
  portNumber: { code: 'VALIDATION', message: 'A port is a number from 1 to 65535.' },
  target: {
    code: 'TARGET_NOT_ALLOWED',
    message: 'This server may not be used: its address is not on the public internet.',
  },
  plaintext: { code: 'TLS_REQUIRED', message: 'A connection without encryption is not allowed here.' },
} as const satisfies Record<string, Refusal>;

export const TARGET_NOT_ALLOWED: Refusal = REFUSALS.target;

export function isAllowedAddress(address: string, policy: TargetPolicy): boolean {
  return policy.allowPrivate || isPublicAddress(address) || isInRanges(address, policy.allowedRanges ?? []);
}

/** All of them must be allowed, and there must be one: a name that is half private is a trap. */
export function areAllowedAddresses(addresses: readonly string[], policy: TargetPolicy): boolean {
  return addresses.length > 0 && addresses.every((address) => isAllowedAddress(address, policy));
}

/**
 * What can be told without asking a name server: spelling, literal addresses, port, encryption. The address is judged
 * before the port, so that a blocked address gives the same answer for every port. Null: nothing against it so far.
 */
export function checkTarget(target: Target, policy: TargetPolicy): Refusal | null {
  const host = parseHost(target.host);
  if (host === null) return REFUSALS.host;
  if (!Number.isInteger(target.port) || target.port < 1 || target.port > 65_535) return REFUSALS.portNumber;
  if (host.is === 'address' && !isAllowedAddress(host.address, policy)) return REFUSALS.target;
  if (host.is === 'name' && isLocalName(host.name) && !isAllowedAddress('127.0.0.1', policy)) return REFUSALS.target;
  const anyPort = policy.allowPrivate || policy.ports === 'any';
  if (!anyPort && !(policy.ports as readonly number[]).includes(target.port)) return REFUSALS.port;
  if (target.security === 'none' && !policy.allowPlaintext) return REFUSALS.plaintext;
  return null;
}

/** Longest wait for a name server before a request is let through to the worker, which asks again (ms). */
const RESOLVE_MS = 5_000;

/**
 * checkTarget, and then what the name resolves to. Dials nothing. A name that cannot be resolved, or not in time, is no
 * refusal: the worker finds that out and says HOST_NOT_FOUND. It checks again before it dials.
 */
export async function refuseTarget(target: Target, policy: TargetPolicy, resolve: Resolve): Promise<Refusal | null> {
  const refusal = checkTarget(target, policy);
  if (refusal !== null || policy.allowPrivate) return refusal;
  const host = parseHost(target.host);
  if (host?.is !== 'name') return null;
  const addresses = await within(RESOLVE_MS, resolve(host.name)).catch(() => null);
  if (addresses === null || addresses.length === 0) return null;
  return areAllowedAddresses(addresses, policy) ? null : REFUSALS.target;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('too slow')), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
