// node --import ./test/faults/typescript.mjs FILE.ts: runs the tests' TypeScript without jest, compiled as jest compiles it.
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
