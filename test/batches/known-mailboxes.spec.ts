import { knownMailboxes } from '../../src/batches/known-mailboxes.js';
import type { Mailbox, MailboxRef, Page, Paged } from '../../src/panel/host-panel.js';
import { DORA, FakePanel } from '../fakes/fake-panel.js';

const TOTAL = 1_200;
const address = (i: number): string => `u${i}@new.test`;

/** A panel that lists `listed` of its mailboxes, and says so or not. */
class LargePanel extends FakePanel {
  asked = 0;
  constructor(
    private readonly listed: number,
    private readonly more: Partial<Paged<Mailbox>>,
  ) {
    super();
  }
  override async listMailboxes(_: unknown, domain: string, { page, perPage }: Page): Promise<Paged<Mailbox>> {
    const all = Array.from({ length: this.listed }, (_, i) => ({ tenantId: 't1', address: address(i), domain }));
    return { items: all.slice((page - 1) * perPage, page * perPage), total: this.listed, ...this.more };
  }
  override async getMailbox(ref: MailboxRef): Promise<Mailbox | null> {
    this.asked += 1;
    return { ...ref, domain: 'new.test' };
  }
}

describe('which mailboxes a panel knows', () => {
  const all = Array.from({ length: TOTAL }, (_, i) => address(i));
  const ask = (panel: LargePanel) => knownMailboxes(panel, DORA, 'new.test', all);

  it('is said by its list alone where that is whole', async () => {
    const panel = new LargePanel(700, {});
    const { known, unasked } = await ask(panel);
    expect([panel.asked, known.size, unasked.size]).toEqual([0, 700, 0]);
  });

  it.each([{ partial: true }, { total: TOTAL }])(
    'is asked one by one where the list is not (%j), but not of thousands',
    async (more) => {
      const panel = new LargePanel(100, more);
      const { known, unasked } = await ask(panel);
      expect([panel.asked, known.size, unasked.size]).toEqual([500, 600, 600]);
      expect(unasked.has(address(TOTAL - 1))).toBe(true);
    },
  );
});
