import { connect as netConnect, isIPv6, type Socket } from 'node:net';
import { ConnectError, type ConnectWhy } from './connect-error.js';

/** Time one address has before the next is tried beside it (RFC 8305 section 5 says 250 ms; slow links need more). */
const STAGGER_MS = 1_000;
/** Addresses dialled of one name: all are checked, but a name with hundreds is no reason to dial hundreds. */
const MAX_DIALLED = 6;
/** First keepalive probe: NATs drop idle connections after some minutes, some after one. */
const KEEPALIVE_MS = 30_000;

/**
 * Opens a TCP connection to one of these addresses, families taken in turn. They were checked: no name is looked up here.
 * @throws ConnectError CONNECT_FAILED; the signal's reason when it aborts first.
 */
export function dial(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> {
  const queue = interleave(addresses).slice(0, MAX_DIALLED);
  const open = new Set<Socket>();
  return new Promise((resolve, reject) => {
    let stagger: NodeJS.Timeout | undefined;
    let lastError: unknown;
    const finish = (): void => {
      clearTimeout(stagger);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      finish();
      for (const socket of open) socket.destroy();
      reject(signal.reason);
    };
    const next = (): void => {
      clearTimeout(stagger);
      const host = queue.shift();
      if (host === undefined) {
        if (open.size > 0) return;
        finish();
        reject(dialError(lastError));
        return;
      }
      const socket = netConnect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
      open.add(socket);
      const onError = (error: unknown): void => {
        open.delete(socket);
        lastError = error;
        next();
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        finish();
        open.delete(socket);
        socket.off('error', onError);
        for (const loser of open) loser.destroy();
        resolve(socket);
      });
      if (queue.length > 0) stagger = setTimeout(next, STAGGER_MS);
    };
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    next();
  });
}

/** The first family stays first: the machine's order of preference. */
function interleave(addresses: readonly string[]): string[] {
  const firstIsV6 = isIPv6(addresses[0] ?? '');
  const first = addresses.filter((address) => isIPv6(address) === firstIsV6);
  const second = addresses.filter((address) => isIPv6(address) !== firstIsV6);
  return first.flatMap((address, i) => [address, ...second.slice(i, i + 1)]).concat(second.slice(first.length));
}

const WHY: Readonly<Record<string, ConnectWhy>> = { ECONNREFUSED: 'refused', ECONNRESET: 'closed', EPIPE: 'closed' };

/** One sentence for every way a port does not answer. */
export function dialError(cause: unknown): ConnectError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  return new ConnectError('CONNECT_FAILED', 'The server does not accept connections on this port.', {
    why: WHY[code] ?? 'unreachable',
    cause,
  });
}
