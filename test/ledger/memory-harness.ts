import { FakeClock } from '../fakes/fake-clock.js';
import { MemoryLedger, MemoryStore } from '../fakes/memory-ledger.js';
import type { LedgerHarness } from '../contracts/ledger.contract.js';

export async function memoryHarness(): Promise<LedgerHarness> {
  const shared = { store: new MemoryStore(), clock: new FakeClock(0), ttl: 60_000, grace: 30_000 };
  const ledger = new MemoryLedger(shared);
  let jobs = 0;
  return {
    ledger,
    hung: new MemoryLedger({ ...shared, renews: false }),
    elapse: async () => shared.clock.advance(90_000),
    link: async (mailbox, account) => ledger.link(mailbox, account),
    job: async () => `job ${(jobs += 1)}`,
    refusals: async (job) =>
      ledger
        .refusals(job)
        .map((r) => ({ key: r.key, code: r.code, subject: r.subject ?? null }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
    remarks: async (job) => ledger.remarks(job),
    close: async () => undefined,
  };
}
