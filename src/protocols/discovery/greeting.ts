import { connect, type ConnectPolicy, type ConnectTarget } from '../connect.js';
import { ConnectError } from '../connect-error.js';
import { underDeadline } from '../deadline.js';

/** Bytes of a greeting that are looked at. */
const MAX_GREETING = 4_096;

/**
 * Whether an IMAP server greets there (RFC 9051 section 7.1), over TLS with a proper certificate. Says nothing itself.
 * @throws ConnectError
 */
export async function greetsAsImap(
  target: ConnectTarget,
  policy: ConnectPolicy,
  signal: AbortSignal,
): Promise<boolean> {
  const late = (): ConnectError => new ConnectError('TIMEOUT', 'The server did not answer in time.');
  return underDeadline(policy.deadlineMs, signal, late, async (deadline) => {
    const { socket } = await connect(target, policy, deadline);
    const stop = (): void => void socket.destroy();
    deadline.addEventListener('abort', stop, { once: true });
    try {
      let said = '';
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        said += chunk.toString('latin1');
        if (said.includes('\n') || said.length > MAX_GREETING) break;
      }
      return /^\* OK[ \r\n]/i.test(said);
    } finally {
      deadline.removeEventListener('abort', stop);
      stop();
    }
  });
}
