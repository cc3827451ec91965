import type { ConnectPolicy } from '../../src/protocols/connect.js';

/** Everything on this machine may be dialled. */
export const POLICY: ConnectPolicy = { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs: 10_000 };
