import { Inject, Injectable, Logger } from '@nestjs/common';
import type { DestinationSecret } from '../jobs/contract.js';
import { reasonFor } from '../jobs/messages.js';
import type { ItemKind } from '../mailbox/kinds.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { DestinationGrant, HostPanel, MailboxRef, SecretRef } from '../panel/host-panel.js';
import { HOST_PANEL } from '../panel/options.js';
import { inTime } from '../panel/in-time.js';
import type { Scrubber } from './scrubber.js';

/** How long the panel may think about one question (ms). */
const PANEL_MS = 30_000;

export interface AccessWish {
  readonly mailbox: MailboxRef;
  /** Id of the job or connection test. */
  readonly jobId: string;
  readonly actor: string;
  readonly kinds: readonly ItemKind[];
  /** What the customer typed for the new mailbox, if he did. */
  readonly own: DestinationSecret | null;
  readonly scrubber: Scrubber;
}

/** One way into one new mailbox, as often as it is asked for; every grant is given back at the end. */
export interface Access {
  /** @throws TransferError DESTINATION_MISSING, DESTINATION_UNAVAILABLE, CREDENTIALS_REQUIRED */
  readonly grant: () => Promise<DestinationGrant>;
  /** How the last grant lets us in; null before the first. */
  kind(): DestinationGrant['kind'] | null;
  release(): Promise<void>;
}

/** Asks the panel at that moment, every time: is there such a mailbox, and how may it be opened. */
@Injectable()
export class DestinationAccess {
  private readonly logger = new Logger('mailferry:destination');

  constructor(@Inject(HOST_PANEL) private readonly panel: HostPanel) {}

  open(wish: AccessWish): Access {
    const given: string[] = [];
    let kind: DestinationGrant['kind'] | null = null;
    return {
      grant: async () => {
        const grant = await this.ask(wish);
        given.push(grant.grantId);
        kind = grant.kind;
        return complete(grant, wish);
      },
      kind: () => kind,
      release: async () => {
        for (const id of given.splice(0))
          await inTime(() => this.panel.closeDestination(id), PANEL_MS).catch((error: Error) =>
            this.logger.warn(`a grant could not be given back: ${wish.scrubber.text(error.message)}`),
          );
      },
    };
  }

  private async ask({ mailbox, jobId, actor, kinds, scrubber }: AccessWish): Promise<DestinationGrant> {
    try {
      if ((await inTime(() => this.panel.getMailbox(mailbox), PANEL_MS)) === null)
        throw refusal('DESTINATION_MISSING', 'user');
      return await inTime(() => this.panel.openDestination(mailbox, { jobId, actor, kinds }), PANEL_MS);
    } catch (error) {
      if (error instanceof TransferError) throw error;
      this.logger.warn(`the panel gives no access: ${scrubber.text((error as Error).message)}`);
      throw refusal('DESTINATION_UNAVAILABLE', 'later');
    }
  }
}

function complete(grant: DestinationGrant, { own, scrubber }: AccessWish): DestinationGrant {
  if (grant.kind !== 'user-secret') return { ...grant, secret: watched(grant.secret, scrubber) };
  if (grant.secret !== null) return { ...grant, secret: watched(grant.secret, scrubber) };
  if (own === null) throw refusal('CREDENTIALS_REQUIRED', 'user');
  const login = own.username ?? grant.login;
  scrubber.add(own.password, login);
  return { ...grant, login, secret: { reveal: () => Promise.resolve(own.password) } };
}

/** What the panel reveals must not turn up in a log either. */
function watched(secret: SecretRef, scrubber: Scrubber): SecretRef {
  return {
    reveal: async () => {
      const text = await secret.reveal();
      scrubber.add(text);
      return text;
    },
  };
}

function refusal(code: string, retry: 'user' | 'later'): TransferError {
  return new TransferError(reasonFor(code).message, { side: 'destination', scope: 'account', retry, code });
}
