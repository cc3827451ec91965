import type { Provider } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { Discovered } from '../jobs/contract.js';
import { ensureLink } from '../ledger/links.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import type { ConnectPolicy } from '../protocols/connect.js';
import type { ProtocolTrace } from '../protocols/trace.js';
import { discover } from '../protocols/discovery/discover.js';
import { discoverExchange } from '../protocols/discovery/exchange.js';
import { matchProvider, providerOfHost, serverFor } from '../providers/registry.js';
import type { GmailSourceOptions } from '../sources/gmail/gmail-source.js';
import { Budget } from '../transfer/budget.js';
import { runTransfer } from '../transfer/run-transfer.js';
import { BodyStaging } from '../transfer/staging.js';
import { openSource } from './source-builder.js';
import { openHostedMailbox } from './destination-builder.js';
import {
  ENDPOINTS,
  type Endpoints,
  LEDGER,
  type Links,
  LINKS,
  type Reading,
  RUN_TRANSFER,
  STAGING,
} from './endpoints.js';
import { openLedger } from './open-ledger.js';
import { createSource } from '../sources/source-registry.js';
import { SourceSlots } from './source-slots.js';
import { storedFiles } from './stored-files.js';
import { VolumeMeter } from './volume-meter.js';
import { type SharedLimits, withinLimits } from './within-limits.js';

/** For resolving, dialling and TLS together (ms). */
const CONNECT_MS = 20_000;
/** To one new mailbox: what Dovecot and Cyrus allow a user by default is 10, his own devices included. */
const DESTINATION_CONNECTIONS = 4;
/** Discovery asks several servers, one after the other where it must (ms). */
const DISCOVERY_MS = 15_000;

export const ENDPOINT_PROVIDERS: Provider[] = [
  VolumeMeter,
  {
    provide: ENDPOINTS,
    inject: [getDataSourceToken('mailferry'), PLUGIN_OPTIONS, SourceSlots, VolumeMeter],
    useFactory: (db: DataSource, options: ResolvedOptions, slots: SourceSlots, meter: VolumeMeter): Endpoints =>
      realEndpoints(db, options, { slots, meter }),
  },
  {
    provide: LINKS,
    inject: [getDataSourceToken('mailferry')],
    useFactory: (db: DataSource): Links => ({
      ensure: ({ tenantId: tenant, address }, { kind: sourceKind, stableId: accountHash }) =>
        ensureLink(db, { tenant, address, sourceKind, accountHash }),
    }),
  },
  {
    provide: LEDGER,
    inject: [getDataSourceToken('mailferry'), PLUGIN_OPTIONS],
    useFactory: (db: DataSource, { worker }: ResolvedOptions) => openLedger(db, worker.lease),
  },
  {
    provide: STAGING,
    inject: [PLUGIN_OPTIONS],
    useFactory: ({ worker }: ResolvedOptions) =>
      new BodyStaging({
        dir: worker.dataDir,
        memory: new Budget(worker.memoryBudget),
        disk: new Budget(worker.diskBudget),
      }),
  },
  { provide: RUN_TRANSFER, useValue: runTransfer },
];

function traced(policy: ConnectPolicy, trace: ProtocolTrace | undefined): ConnectPolicy {
  return trace === undefined ? policy : { ...policy, trace };
}

function realEndpoints(db: DataSource, options: ResolvedOptions, limits: SharedLimits): Endpoints {
  const policy: ConnectPolicy = { ...options.egress, deadlineMs: CONNECT_MS };
  return {
    source: (settings, secret, say, reading = {}, trace) => {
      if (settings.type === 'files') return createSource('files', { files: storedFiles(db, settings, secret) });
      const ground = { reading, policy: traced(policy, trace), worker: options.worker };
      return withinLimits(limits, settings, options.worker.connections, say, (permit, davPermit) =>
        openSource(settings, secret, { ...ground, davPermit }, { permit, ...readingOptions(reading) }),
      );
    },
    destination: (grant, trace, kinds) => openHostedMailbox(grant, DESTINATION_CONNECTIONS, trace, kinds),
    discover: async (address, type, signal) => {
      if (type === 'ews') return exchangeOf(address, { ...policy, deadlineMs: DISCOVERY_MS }, signal);
      const isKnownMx = (mx: readonly string[]): boolean => matchProvider({ domain: '', mx }) !== null;
      const patient = { ...policy, deadlineMs: DISCOVERY_MS };
      const { domain, mx, found } = await discover(address, patient, signal, { isKnownMx });
      const provider = matchProvider({ domain, mx });
      if (found !== null) {
        const { by, ...settings } = found;
        return { found: true, by, ...settings, ...(provider === null ? {} : { provider: provider.id }) };
      }
      const server = provider === null ? null : serverFor(provider, { domain, mx });
      if (provider === null) return { found: false };
      if (server === null) return { found: false, provider: provider.id };
      const { host, port, security } = server;
      return { found: true, by: 'provider', provider: provider.id, host, port, security, username: address };
    },
  };
}

/** Settings for an Exchange account, to be confirmed. What is at Microsoft is none: this way is closed there. */
async function exchangeOf(address: string, policy: ConnectPolicy, signal: AbortSignal): Promise<Discovered> {
  const { domain, mx, found } = await discoverExchange(address, policy, signal);
  const provider = (found && providerOfHost(found.host)) ?? matchProvider({ domain, mx });
  if (provider?.id === 'microsoft365' || provider?.id === 'outlook') return { found: false, provider: provider.id };
  if (found === null) return { found: false, ...(provider === null ? {} : { provider: provider.id }) };
  return { found: true, by: 'autodiscover', ...found, security: 'tls', username: address };
}

function readingOptions({ labels, excludeFolders }: Reading): Partial<GmailSourceOptions> {
  return {
    ...(labels === undefined ? {} : { labels }),
    ...(excludeFolders === undefined ? {} : { excludeFolders }),
  };
}
