import { createRequire } from 'node:module';
import type Ews from 'ews-javascript-api';

let loaded: typeof Ews | null = null;
const load = (): typeof Ews => (loaded ??= createRequire(import.meta.url)('ews-javascript-api') as typeof Ews);

/** ews-javascript-api, loaded when something of it is used: it takes 30 MB, and most workers read no Exchange most of the time. */
export const ews = new Proxy({} as typeof Ews, { get: (_, name) => Reflect.get(load(), name) as unknown });
