// Preloaded (node --import) into a process of the product: its DNS questions go to the server that MAILFERRY_TEST_DNS names
// (dns.ts), and hosts below example.test are this machine, as its hosts file could say.
import { createRequire, syncBuiltinESMExports } from 'node:module';

const require = createRequire(import.meta.url);
const dnsPromises = require('node:dns/promises');

class TestResolver extends dnsPromises.Resolver {
  constructor(options) {
    super(options);
    this.setServers([process.env.MAILFERRY_TEST_DNS]);
  }
}
const { lookup } = dnsPromises;
dnsPromises.Resolver = TestResolver;
dnsPromises.lookup = (name, options) =>
  lookup(/(^|\.)example\.test$/.test(name) && !name.startsWith('nowhere.') ? '127.0.0.1' : name, options);
syncBuiltinESMExports();
