// The engine as it was built, for processes that run it without web, worker or queue.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** @param build the folder with `dist` and `node_modules` @param more files below `dist/src` whose exports are wanted, too */
export async function builtEngine(build, more = []) {
  const load = (...path) => import(pathToFileURL(join(build, ...path)).href);
  await load('node_modules', 'reflect-metadata', 'Reflect.js');
  const parts = [
    'database/data-source.js',
    'database/migrate.js',
    'ledger/links.js',
    'ledger/postgres-ledger.js',
    'sources/imap/imap-source.js',
    'destinations/imap/imap-destination.js',
    'transfer/staging.js',
    'transfer/run-transfer.js',
    ...more,
  ];
  return Object.assign({}, ...(await Promise.all(parts.map((path) => load('dist', 'src', path)))));
}

/** Servers of a test: on this machine, in clear. */
export function localPolicy(deadlineMs) {
  return { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs };
}
export function localEndpoint({ port }) {
  return { host: '127.0.0.1', port, security: 'none' };
}

/** A source's options for an account of such a server. */
export function localAccount(from, policy, maxConnections) {
  return {
    target: localEndpoint(from),
    login: async () => ({ kind: 'password', user: from.user, password: from.password }),
    policy,
    owner: from.user,
    maxConnections,
  };
}

/** A listener that passes on the lines of the log alone. */
export function logListener(log) {
  return { planned() {}, counted() {}, moved() {}, log };
}
