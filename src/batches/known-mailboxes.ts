import { jobError } from '../jobs/admission.js';
import type { HostPanel, Principal } from '../panel/host-panel.js';

const PER_PAGE = 500;
/** Questions to the panel at once. */
const AT_ONCE = 16;
/** With fewer mailboxes the panel is asked for each. */
const FEW = 20;
/** Mailboxes that are asked for one by one, at most: each is asked for again before it starts. */
const MAX_ASKED = 500;

/** All mailboxes of a domain as the panel lists them, at most `max`. @throws JobError DESTINATION_UNAVAILABLE */
export async function listDomain(
  panel: HostPanel,
  who: Principal,
  domain: string,
  max: number,
): Promise<{ addresses: string[]; whole: boolean }> {
  const addresses: string[] = [];
  for (let page = 1; ; page++) {
    const {
      items,
      total,
      partial = false,
    } = await asked(() => panel.listMailboxes(who, domain, { page, perPage: PER_PAGE }));
    for (const { address } of items) addresses.push(address.toLowerCase());
    if (items.length === 0 || addresses.length >= Math.min(total, max))
      return { addresses, whole: !partial && addresses.length >= total };
  }
}

/** What the panel says of mailboxes. */
export interface Known {
  readonly known: ReadonlySet<string>;
  /** It was not asked about these: too many, and its list is not whole. */
  readonly unasked: ReadonlySet<string>;
}

/**
 * Which of these the panel knows in this domain. It is asked for its list first; what is not in there is asked for one by
 * one where the list is shorter than what can be opened, as far as that is not thousands.
 * @throws JobError DESTINATION_UNAVAILABLE
 */
export async function knownMailboxes(
  panel: HostPanel,
  who: Principal,
  domain: string,
  addresses: readonly string[],
): Promise<Known> {
  const known = new Set<string>();
  if (addresses.length > FEW) {
    const list = await listDomain(panel, who, domain, Number.MAX_SAFE_INTEGER);
    const listed = new Set(list.addresses);
    for (const address of addresses) if (listed.has(address)) known.add(address);
    if (list.whole) return { known, unasked: new Set() };
  }
  const open = addresses.filter((address) => !known.has(address));
  const next = open.slice(0, MAX_ASKED).values();
  const ask = async (): Promise<void> => {
    for (const address of next) {
      const mailbox = await asked(() => panel.getMailbox({ tenantId: who.tenantId, address }));
      if (mailbox?.domain.toLowerCase() === domain) known.add(address);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return { known, unasked: new Set(open.slice(MAX_ASKED)) };
}

async function asked<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch {
    throw jobError('DESTINATION_UNAVAILABLE');
  }
}
