import type { Socket } from 'node:net';
import { ImapConnection } from './connection.js';
import { ImapFailure, isRefusal } from './failure.js';
import type { ServerTraits } from './traits.js';

/** Greetings longer than this are left to imapflow. */
const GREETING_BYTES = 8 * 1024;
const LF = 0x0a;
/** An OK greeting that says by itself what is needed to sign in with the first line (RFC 9051 section 7.1, RFC 4959). */
const TELLING = /^\* OK \[CAPABILITY ([^\]\r\n]+)\]/i;
const NEEDED = ['IMAP4REV1', 'SASL-IR', 'AUTH=PLAIN'];

export interface PlainLogin {
  readonly authzid: string;
  readonly user: string;
  readonly password: string;
}

/**
 * Signs in by one line, where the greeting says that the server takes it: two round trips for a connection instead of
 * six. The socket must be safe already: dialled with TLS, or allowed to be plain. Null: the greeting says something
 * else; nothing was sent, and the greeting is in the socket again for imapflow, which knows the other ways.
 * @throws ImapFailure 'auth' when the sign-in was refused; 'bad' or 'protocol' when the server did not take it like this
 * after all, so that another way is worth a try; what else ends a connection.
 */
export async function quickSignIn(
  socket: Socket,
  login: PlainLogin,
  scrub: (text: string) => string,
  traits: ServerTraits | undefined,
  signal: AbortSignal,
): Promise<ImapConnection | null> {
  const greeting = await readGreeting(socket, signal);
  const offered = new Set((TELLING.exec(greeting)?.[1] ?? '').toUpperCase().split(' '));
  if (!NEEDED.every((capability) => offered.has(capability))) {
    if (greeting !== '') socket.unshift(Buffer.from(greeting, 'latin1'));
    return null;
  }
  const connection = new ImapConnection(socket, offered, scrub, traits);
  const stop = (): void => connection.destroy(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await authenticate(connection, login);
    // Some servers answer in full only to those who name themselves. Nobody waits for the answer.
    if (connection.has('ID')) connection.command('ID ("name" "Mailferry")', { aside: true }).catch(() => undefined);
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function authenticate(connection: ImapConnection, { authzid, user, password }: PlainLogin): Promise<void> {
  const answer = Buffer.from(`${authzid}\0${user}\0${password}`, 'utf8').toString('base64');
  let told = false;
  try {
    const done = await connection.run('AUTHENTICATE', async (out) => out.text(`AUTHENTICATE PLAIN ${answer}\r\n`), {
      onUntagged(response) {
        if (response.is === 'data' && response.name === 'CAPABILITY') told = true;
        return told;
      },
    });
    if (!told && done.code?.name !== 'CAPABILITY') await connection.command('CAPABILITY');
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const { responseCode, serverText } = error;
    throw new ImapFailure('auth', 'the server refused the sign-in', { responseCode, serverText });
  }
}

/** The first line, its end included; '' when the server says too much, or closes. */
async function readGreeting(socket: Socket, signal: AbortSignal): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for (;;) {
    signal.throwIfAborted();
    for (let part = socket.read() as Buffer | null; part !== null; part = socket.read() as Buffer | null) {
      parts.push(part);
      length += part.length;
    }
    const all = Buffer.concat(parts, length);
    const end = all.indexOf(LF) + 1;
    if (end > 0 && end < length) socket.unshift(all.subarray(end));
    if (end > 0) return all.toString('latin1', 0, end);
    if (length > GREETING_BYTES || socket.readableEnded || socket.destroyed) {
      return all.toString('latin1');
    }
    await readable(socket, signal);
  }
}

/** Until there is something to read, or there never will be. */
function readable(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const events = ['readable', 'end', 'close', 'error'];
    const done = (): void => {
      for (const event of events) socket.off(event, done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    for (const event of events) socket.on(event, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
