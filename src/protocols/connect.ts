import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { canonicalAddress, parseHost } from '../mailbox/address.js';
import { systemResolve } from '../mailbox/resolve.js';
import {
  areAllowedAddresses,
  checkTarget,
  type Resolve,
  type Target,
  TARGET_NOT_ALLOWED,
  type TargetPolicy,
} from '../mailbox/target.js';
import { ConnectError } from './connect-error.js';
import { underDeadline } from './deadline.js';
import { dial } from './dial.js';
import { asConnectError, startTls, type TlsTarget } from './tls.js';
import type { ProtocolTrace } from './trace.js';

export interface ConnectTarget extends Target {
  /** SHA-256 of the one certificate that is accepted although it cannot be checked: hex, colons allowed. */
  readonly caFingerprint?: string;
  /** PEM; replaces the certificate authorities Node knows. */
  readonly ca?: string;
}

export interface ConnectPolicy extends TargetPolicy {
  /** For resolving, dialling and TLS together (ms); again for each upgrade. */
  readonly deadlineMs: number;
  /** Default: as the machine does. */
  readonly resolve?: Resolve;
  /** Left out: nobody listens. */
  readonly trace?: ProtocolTrace;
}

export interface Connected {
  /** Paused: nothing is read until somebody listens. With 'tls' it is the checked TLS socket. */
  readonly socket: Socket | TLSSocket;
  /** True: encrypted, and the certificate was checked (or is the pinned one). */
  readonly secure: boolean;
  /** The address that was checked and dialled. */
  readonly address: string;
  /**
   * STARTTLS, after the server agreed. The reader must have stopped and hands over what it holds: a byte that came in
   * clear after the agreement was injected (CVE-2011-0411) and ends the connection.
   * @throws ConnectError
   */
  upgrade(signal: AbortSignal, unread?: Uint8Array): Promise<TLSSocket>;
  /** The same for a client that wants its socket at once (imapflow's transport): errors come as its 'error' event. */
  upgradeNow(onSecure: () => void): TLSSocket;
}

/**
 * The only way out of this process for every protocol. Understands the host, resolves it as the machine does, checks every
 * address, dials the checked address itself (SNI and certificate by name) and checks the certificate: all within one
 * deadline, and all anew at each call, since a name may point elsewhere a moment later.
 * @throws ConnectError with a stable code; the signal's reason when that aborts.
 */
export async function connect(target: ConnectTarget, policy: ConnectPolicy, signal: AbortSignal): Promise<Connected> {
  const refusal = checkTarget(target, policy);
  if (refusal !== null) throw new ConnectError(refusal.code, refusal.message);
  return underDeadline(policy.deadlineMs, signal, timeout, async (deadline) => {
    const { addresses, tls } = await checkedAddresses(target, policy);
    deadline.throwIfAborted();
    const socket = await dial(addresses, target.port, deadline);
    // From here on somebody always listens: an unheard 'error' would end the process.
    socket.on('error', () => undefined);
    const address = canonicalAddress(socket.remoteAddress ?? '') ?? addresses[0]!;
    if (target.security !== 'tls') return new OpenConnection(socket, false, address, tls, policy.deadlineMs);
    return new OpenConnection(await secured(socket, tls, deadline), true, address, tls, policy.deadlineMs);
  });
}

const timeout = (): ConnectError => new ConnectError('TIMEOUT', 'The server did not answer in time.');

async function checkedAddresses(
  target: ConnectTarget,
  policy: ConnectPolicy,
): Promise<{ addresses: string[]; tls: TlsTarget }> {
  const host = parseHost(target.host);
  if (host === null) throw new ConnectError('VALIDATION', 'This is not the name or the address of a server.');
  const trust = { caFingerprint: target.caFingerprint, ca: target.ca };
  if (host.is === 'address')
    return { addresses: [host.address], tls: { ...trust, host: host.address, isAddress: true } };
  const found = await (policy.resolve ?? systemResolve)(host.name).catch((cause: unknown) => {
    throw notFound(cause);
  });
  if (found.length === 0) throw notFound();
  if (!areAllowedAddresses(found, policy)) throw new ConnectError(TARGET_NOT_ALLOWED.code, TARGET_NOT_ALLOWED.message);
  const addresses = found.map(canonicalAddress).filter((address) => address !== null);
  if (addresses.length === 0) throw notFound();
  return { addresses, tls: { ...trust, host: host.name, isAddress: false } };
}

function notFound(cause?: unknown): ConnectError {
  return new ConnectError('HOST_NOT_FOUND', 'There is no server with this name.', { cause });
}

/** TLS on a raw socket, which is destroyed with it when it fails. */
function secured(socket: Socket, tls: TlsTarget, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const done = (): void => signal.removeEventListener('abort', onAbort);
    const fail = (error: unknown): void => {
      done();
      secure.destroy();
      socket.destroy();
      reject(asConnectError(error));
    };
    const onAbort = (): void => {
      secure.destroy();
      socket.destroy();
      reject(signal.reason);
    };
    const onClose = (): void => fail(null);
    const secure = startTls(socket, tls, () => {
      done();
      secure.off('error', fail);
      secure.off('close', onClose);
      secure.on('error', () => undefined);
      resolve(secure);
    });
    secure.on('error', fail);
    secure.on('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

class OpenConnection implements Connected {
  constructor(
    readonly socket: Socket | TLSSocket,
    readonly secure: boolean,
    readonly address: string,
    private readonly tls: TlsTarget,
    private readonly deadlineMs: number,
  ) {}

  async upgrade(signal: AbortSignal, unread?: Uint8Array): Promise<TLSSocket> {
    this.refuseInjected(unread);
    return underDeadline(this.deadlineMs, signal, timeout, (deadline) => secured(this.socket, this.tls, deadline));
  }

  upgradeNow(onSecure: () => void): TLSSocket {
    this.refuseInjected();
    return startTls(this.socket, this.tls, onSecure);
  }

  private refuseInjected(unread?: Uint8Array): void {
    if (this.secure) throw new Error('already encrypted');
    if ((unread?.length ?? 0) === 0 && this.socket.readableLength === 0) return;
    this.socket.destroy();
    throw new ConnectError('PROTOCOL_ERROR', 'Somebody put data into the connection before it was encrypted.', {
      why: 'plaintext-injected',
    });
  }
}

/**
 * Destroys a socket with TIMEOUT after `ms` without a byte in either direction. For the time a command is under way: an
 * upload that crawls lives, one that stands still does not. Returns what ends the watch.
 */
export function failWhenStuck(socket: Socket, ms: number): () => void {
  const onTimeout = (): void => {
    socket.destroy(new ConnectError('TIMEOUT', 'The server stopped answering.'));
  };
  socket.setTimeout(ms);
  socket.on('timeout', onTimeout);
  return () => {
    socket.setTimeout(0);
    socket.off('timeout', onTimeout);
  };
}
