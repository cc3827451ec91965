import type { Destination } from '../destinations/destination.js';
import type { Discovered, SourceSecret } from '../jobs/contract.js';
import type { DiscoveredType, JobFilters, JobOptions, SourceSettings } from '../jobs/job.js';
import type { ItemKind } from '../mailbox/kinds.js';
import type { LinkId } from '../ledger/ledger.js';
import type { DestinationGrant, MailboxRef } from '../panel/host-panel.js';
import type { ProtocolTrace } from '../protocols/trace.js';
import type { Source, SourceAccount } from '../sources/source.js';

/** What the worker is built from; the real ones are in endpoint-providers.ts, tests bring fakes. */
export const ENDPOINTS = Symbol('mailferry.endpoints');
export const LEDGER = Symbol('mailferry.ledger');
export const RUN_TRANSFER = Symbol('mailferry.runTransfer');
export const STAGING = Symbol('mailferry.staging');
export const LINKS = Symbol('mailferry.links');

/** What the source must know of the job to show its folders as they will be copied. */
export interface Reading extends Pick<JobFilters, 'excludeFolders'>, Pick<JobOptions, 'labels'> {
  /** What is to be copied. Default: mail. */
  readonly kinds?: readonly ItemKind[];
  /** True: what else the account has is looked at too, where it can be reached. */
  readonly lookAtAll?: boolean;
}

export interface Endpoints {
  /**
   * Connects nothing yet. @param say for the job's log. @param trace hears what is said on the wire.
   * @throws TransferError SOURCE_UNSUPPORTED
   */
  source(
    settings: SourceSettings,
    secret: SourceSecret,
    say?: (text: string) => void,
    reading?: Reading,
    trace?: ProtocolTrace,
  ): Source;
  /** @param grant asked again on every reconnect. */
  destination(grant: () => Promise<DestinationGrant>, trace?: ProtocolTrace, kinds?: readonly ItemKind[]): Destination;
  /** Settings for an address, without signing in to anything. */
  discover(address: string, type: DiscoveredType, signal: AbortSignal): Promise<Discovered>;
}

export interface Links {
  /** The link of this pair; made when missing. */
  ensure(mailbox: MailboxRef, account: SourceAccount): Promise<LinkId>;
}
