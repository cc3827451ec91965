import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RedisAddress } from '../../panel/options.js';

/**
 * INFO of a Redis, its two sections `server` and `memory`, over a connection of its own.
 * @throws Error in one line; never with the password in it.
 */
export function redisInfo(address: RedisAddress, deadlineMs: number): Promise<string> {
  return new Promise((done, refuse) => {
    const { socket, login } = dial(address);
    let said = '';
    const end = (error: Error | null): void => {
      socket.destroy();
      if (error) refuse(error);
      else done(said);
    };
    socket.setTimeout(deadlineMs, () => end(new Error('does not answer')));
    socket.once('error', (error) => end(error));
    socket.once('close', () => end(new Error('closed the connection')));
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
      const wrong = /^-(\w+)[^\r\n]*/m.exec(said);
      if (wrong && wrong[1] !== 'LOADING') return end(new Error(`Redis answers ${wrong[1]}`));
      if (/^redis_version:/m.test(said) && /^maxmemory_policy:/m.test(said)) end(null);
    });
    for (const words of [...(login ? [login] : []), ['INFO', 'server'], ['INFO', 'memory']])
      socket.write(command(words));
  });
}

function dial(address: RedisAddress): { socket: Socket; login: string[] | null } {
  if ('path' in address) return { socket: connectPlain(address.path), login: null };
  const url = new URL(address.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || 6379;
  const secure = url.protocol === 'rediss:';
  const socket = secure ? connectTls({ host, port, servername: host }) : connectPlain({ host, port });
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return { socket, login: password ? ['AUTH', ...(user ? [user] : []), password] : null };
}

/** An array of bulk strings (RESP). */
function command(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
