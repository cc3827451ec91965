/**
 * The EWS test server alone, for any client: npm run ews-server [-- --port 8081 --messages 200]. It prints where it is and
 * how to sign in, and goes on until it is interrupted. Nothing sent to it is kept.
 */
import { parseArgs } from 'node:util';
import { noSchemas } from './schema.js';
import { fillSample } from './sample.js';
import { startEws } from './server.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8081' },
    messages: { type: 'string', default: '200' },
    latency: { type: 'string', default: '0' },
  },
});
const server = await startEws({ port: Number(values.port), latencyMs: Number(values.latency), strict: true });
const box = server.mailbox('anna@old.test', 'secret', ['OLD\\anna']);
fillSample(box, { messages: Number(values.messages), events: 60, series: 30, contacts: 50, tasks: 20, notes: 10 });
server.admin('admin@old.test', 'secret', ['anna@old.test']);
console.log(`EWS at ${server.url}`);
console.log('sign in as anna@old.test or OLD\\anna, password secret; admin@old.test may impersonate her');
console.log(noSchemas === null ? 'requests are checked against the schemas' : `requests are not checked: ${noSchemas}`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error((error as Error).message);
        process.exit(1);
      },
    );
  });
