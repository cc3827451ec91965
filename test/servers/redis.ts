/**
 * The run's Redis, shared by all specs.
 *
 *     redisAddress()     // {path}: what PluginOptions.redis wants
 *     freshPrefix()      // a key prefix of this spec's alone, in braces as Bull needs it: '{t-3f2a...}'
 *
 * A spec that cannot choose its prefix, or kills Redis, takes one of its own: privateRedis() in private.ts.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { testEnv } from './env.js';

export function redisAddress(): { readonly path: string } {
  return { path: testEnv().redisPath };
}

export function freshPrefix(): string {
  return `{t-${randomBytes(6).toString('hex')}}`;
}

/** Takes everything out of a Redis. @param path of its socket. */
export async function flushAll(path: string): Promise<void> {
  const socket = connect(path);
  socket.write('FLUSHALL\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  if (answer.toString() !== '+OK\r\n') throw new Error(`FLUSHALL: ${answer.toString()}`);
}
