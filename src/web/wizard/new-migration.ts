import { Inject, Injectable } from '@nestjs/common';
import { type Actor, JobError, type JobsApi } from '../../jobs/contract.js';
import { HOST_PANEL } from '../../panel/options.js';
import type { HostPanel, Principal } from '../../panel/host-panel.js';
import { JOBS_API } from '../tokens.js';

/** Drafts begun earlier that are offered to go on with. */
const DRAFTS_SHOWN = 5;
/** Mailboxes of a domain an admin can choose from on this page. */
const MAILBOXES_SHOWN = 200;

export interface MailboxChoice {
  readonly address: string;
  readonly name: string | null;
  readonly chosen: boolean;
}

/** Begins a migration: into which mailbox, and is one begun already. */
@Injectable()
export class NewMigration {
  constructor(
    @Inject(JOBS_API) private readonly jobs: JobsApi,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
  ) {}

  async choice(who: Principal, actor: Actor) {
    const [mailboxes, drafts] = await Promise.all([this.mailboxes(who, actor), this.drafts(actor)]);
    return { mailboxes, open: drafts };
  }

  /** @returns the draft's id, or the key of the sentence that says why not. */
  async begin(who: Principal, actor: Actor, wanted: string): Promise<{ id: string } | { problem: string }> {
    const own = await this.mailboxes(who, actor);
    const address = wanted === '' && own.length === 1 ? own[0]!.address : wanted.toLowerCase();
    if (address === '') return { problem: 'new.errorMailbox' };
    try {
      const { job } = await this.jobs.create(actor, { mailbox: address });
      return { id: job.id };
    } catch (error) {
      // Somebody else's mailbox and one that does not exist look the same.
      if (error instanceof JobError && REFUSED.includes(error.code)) return { problem: 'new.errorMailbox' };
      throw error;
    }
  }

  private async mailboxes(who: Principal, { visibility }: Actor): Promise<MailboxChoice[]> {
    const own = visibility.mailboxes.map((address): Omit<MailboxChoice, 'chosen'> => ({ address, name: null }));
    const lists = await Promise.all(
      visibility.domains.map((domain) => this.panel.listMailboxes(who, domain, { page: 1, perPage: MAILBOXES_SHOWN })),
    );
    for (const { items } of lists)
      for (const { address, name } of items)
        if (!own.some((one) => one.address === address)) own.push({ address, name: name ?? null });
    return own.map((one) => ({ ...one, chosen: own.length === 1 }));
  }

  private async drafts({ visibility }: Actor): Promise<{ id: string; mailbox: string }[]> {
    // A supporter sees everybody's drafts in the list of all migrations; here they would only be in the way.
    if (visibility.all) return [];
    const { jobs } = await this.jobs.list(visibility, { state: ['draft'], page: 1, perPage: DRAFTS_SHOWN });
    // One for each mailbox, the newest: more would only be in the way.
    const newest = new Map(jobs.toReversed().map(({ id, mailbox }) => [mailbox, { id, mailbox }]));
    return [...newest.values()];
  }
}

const REFUSED = ['NOT_FOUND', 'FORBIDDEN', 'DESTINATION_MISSING', 'VALIDATION'];
