import { jobError } from '../jobs/admission.js';
import type { HostPanel, Principal } from '../panel/host-panel.js';

const PER_PAGE = 500;
/** Questions to the panel at once. */
const AT_ONCE = 16;
/** With fewer mailboxes the panel is asked for each. */
const FEW = 20;

/** All mailboxes of a domain as the panel lists them, at most `max`. @throws JobError DESTINATION_UNAVAILABLE */
export async function listDomain(
  panel: HostPanel,
  who: Principal,
  domain: string,
  max: number,
): Promise<{ addresses: string[]; total: number }> {
  const addresses: string[] = [];
  for (let page = 1; ; page++) {
    const { items, total } = await asked(() => panel.listMailboxes(who, domain, { page, perPage: PER_PAGE }));
    for (const { address } of items) addresses.push(address.toLowerCase());
    if (items.length === 0 || addresses.length >= Math.min(total, max)) return { addresses, total };
  }
}

/**
 * Which of these the panel knows in this domain. It is asked for its list first; what is not in there is asked for one by
 * one, since a list may be shorter than what can be opened.
 * @throws JobError DESTINATION_UNAVAILABLE
 */
export async function knownMailboxes(
  panel: HostPanel,
  who: Principal,
  domain: string,
  addresses: readonly string[],
): Promise<Set<string>> {
  const known = new Set<string>();
  if (addresses.length > FEW) {
    const listed = new Set((await listDomain(panel, who, domain, Number.MAX_SAFE_INTEGER)).addresses);
    for (const address of addresses) if (listed.has(address)) known.add(address);
  }
  const open = addresses.filter((address) => !known.has(address));
  const next = open.values();
  const ask = async (): Promise<void> => {
    for (const address of next) {
      const mailbox = await asked(() => panel.getMailbox({ tenantId: who.tenantId, address }));
      if (mailbox?.domain.toLowerCase() === domain) known.add(address);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return known;
}

async function asked<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch {
    throw jobError('DESTINATION_UNAVAILABLE');
  }
}
