import { createHash } from 'node:crypto';
import type { SourceFolder } from '../../mailbox/folder.js';
import type { ItemDescription, ItemRef, ReadOutcome, ScanPage, Staging, SyncState } from '../../mailbox/item.js';
import { ITEM_KINDS } from '../../mailbox/kinds.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { ConnectPolicy } from '../../protocols/connect.js';
import { type EwsErrorContext, EwsFailure, toTransferError } from '../../protocols/ews/failure.js';
import { findEwsUrl } from '../../protocols/ews/autodiscover.js';
import { askFolders } from '../../protocols/ews/folders.js';
import type { FolderRef } from '../../protocols/ews/ids.js';
import type { EwsLogin, EwsMailbox } from '../../protocols/ews/login.js';
import { EwsTransport } from '../../protocols/ews/transport.js';
import type { TakePermit } from '../../protocols/permit.js';
import type { Source, SourceAccount, SourceFacts } from '../source.js';
import { EwsClient } from './client.js';
import { describeItems } from './describe.js';
import { archiveBranch, ownBranch, publicBranch } from './branches.js';
import { foldersOf, type FoundFolder } from './folders.js';
import { readMail } from './read-mail.js';
import { readObjects } from './read-objects.js';
import { scanFolder } from './scan.js';

/** Half of what Exchange 2010 lets one user have (EWSMaxConcurrency 10); later ones allow 27. */
const DEFAULT_CONNECTIONS = 4;

/** What a server says of the inbox of a mailbox that is there and that one may not open: so it is not the one we are in. */
const SOMEBODY_ELSES: ReadonlySet<string> = new Set(['ErrorAccessDenied', 'ErrorFolderNotFound']);

export interface EwsSourceOptions {
  /** Of Exchange.asmx, or of the server alone: then it is looked for there. */
  readonly url: URL;
  /** Asked again when the server refuses: tokens end. */
  readonly login: () => Promise<EwsLogin>;
  readonly mailbox: EwsMailbox;
  readonly policy: ConnectPolicy;
  /** Whose mailbox it is: an address, or the name that was signed in with. */
  readonly owner: string;
  readonly trust?: { readonly caFingerprint?: string; readonly ca?: string };
  readonly maxConnections?: number;
  readonly permit?: TakePermit;
  readonly quietMs?: number;
  readonly patienceMs?: number;
  readonly classifySignIn?: EwsErrorContext['classifySignIn'];
  /** The archive mailbox too, under a folder of its own. */
  readonly archive?: boolean;
  /** The organisation's public folders too. */
  readonly publicFolders?: boolean;
}

/** A mailbox of Exchange, or of a server that speaks its web services (EWS): read only, nothing is changed. */
export class EwsSource implements Source {
  readonly account: SourceAccount;
  private client: EwsClient | null = null;
  private readonly maxConnections: number;
  private readonly address: string;
  private listed = new Map<string, FoundFolder>();

  constructor(private readonly options: EwsSourceOptions) {
    const { url, owner, mailbox } = options;
    this.address = mailbox.by === 'own' ? owner : mailbox.address;
    const names = ['ews', url.host.toLowerCase(), this.address.toLowerCase()].join('\0');
    this.account = { kind: 'ews', stableId: createHash('sha256').update(names).digest('hex') };
    this.maxConnections = Math.max(1, options.maxConnections ?? DEFAULT_CONNECTIONS);
  }

  /** Connects nothing where the whole address is known. */
  private async opened(signal: AbortSignal): Promise<EwsClient> {
    if (this.client !== null) return this.client;
    const url = await this.find(signal);
    const transport = new EwsTransport({ ...this.options, url, maxConnections: this.maxConnections });
    // Another call may have been quicker.
    return (this.client ??= new EwsClient(transport, this.errors));
  }

  private get errors(): EwsErrorContext {
    const { classifySignIn } = this.options;
    return { side: 'source', ...(classifySignIn === undefined ? {} : { classifySignIn }) };
  }

  private async find(signal: AbortSignal): Promise<URL> {
    const { url, login, policy, trust } = this.options;
    if (url.pathname !== '/') return url;
    try {
      const home = { home: url, login: await login(), address: this.address, policy };
      return await findEwsUrl({ ...home, ...(trust === undefined ? {} : { trust }) }, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw toTransferError(error, this.errors);
    }
  }

  async connect(signal: AbortSignal): Promise<SourceFacts> {
    const client = await this.opened(signal);
    await client.repeatable(signal, () => this.checkMailbox(client, signal));
    const { maxConnections } = this;
    return { gives: ITEM_KINDS, maxConnections, quirks: [], serviceUrl: client.transport.url.href };
  }

  /** Opens the inbox, by its name and as the inbox of the address that was given: both must be the same one. */
  private async checkMailbox(client: EwsClient, signal: AbortSignal): Promise<void> {
    const { mailbox } = this.options;
    const asked: FolderRef[] = [{ wellKnown: 'inbox' }];
    const byAddress = mailbox.by !== 'delegation' && this.address.includes('@');
    if (byAddress) asked.push({ wellKnown: 'inbox', of: this.address });
    const [inbox, named] = await askFolders(client.transport, asked, signal);
    if (inbox === undefined || !('id' in inbox)) throw new EwsFailure('refused', { code: 'ErrorNonExistentMailbox' });
    // A name that is nobody's address says nothing: people sign in by names that differ from their address.
    const isOther = named !== undefined && ('id' in named ? named.id !== inbox.id : SOMEBODY_ELSES.has(named.code));
    if (!isOther) return;
    throw new TransferError('The server opened another mailbox than the one that was named.', {
      side: 'source',
      scope: 'account',
      retry: 'user',
      code: 'WRONG_MAILBOX',
    });
  }

  async listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    const client = await this.opened(signal);
    const { transport } = client;
    const found = await client.repeatable(signal, async () => {
      const all = foldersOf(await ownBranch(transport, signal));
      if (this.options.archive === true) all.push(...foldersOf(await archiveBranch(transport, signal)));
      if (this.options.publicFolders === true) all.push(...foldersOf(await publicBranch(transport, signal)));
      return all;
    });
    if (found.length === 0)
      throw new TransferError('The old account shows no folders.', {
        side: 'source',
        scope: 'account',
        retry: 'later',
        code: 'NO_FOLDERS',
      });
    this.listed = new Map(found.map((one) => [one.folder.id, one]));
    return found.map(({ folder }) => folder);
  }

  async *scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncGenerator<ScanPage> {
    signal.throwIfAborted();
    const found = await this.foundFor(folder, signal);
    yield* scanFolder(await this.opened(signal), found, this.account.stableId, since, signal);
  }

  async *read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncGenerator<ReadOutcome> {
    signal.throwIfAborted();
    const { kind } = folder;
    const { account, address } = this;
    const client = await this.opened(signal);
    if (kind === 'mail') yield* readMail(client, refs, stage, signal);
    else yield* readObjects({ client, kind, account: account.stableId, owner: address }, refs, stage, signal);
  }

  async *describe(
    _folder: SourceFolder,
    refs: readonly ItemRef[],
    signal: AbortSignal,
  ): AsyncGenerator<ItemDescription> {
    signal.throwIfAborted();
    yield* describeItems(await this.opened(signal), refs, signal);
  }

  async close(): Promise<void> {
    this.client?.transport.close();
  }

  private async foundFor(folder: SourceFolder, signal: AbortSignal): Promise<FoundFolder> {
    if (this.listed.size === 0) await this.listFolders(signal);
    const found = this.listed.get(folder.id);
    if (found !== undefined) return found;
    throw new TransferError('The folder is not in the listing of the old server.', {
      side: 'source',
      scope: 'folder',
      retry: 'never',
      code: 'FOLDER_GONE',
    });
  }
}
