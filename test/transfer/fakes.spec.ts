import { destinationContract } from '../contracts/destination.contract.js';
import { sourceContract } from '../contracts/source.contract.js';
import { FakeClock } from '../fakes/fake-clock.js';
import { FakeDestination, destinationError, type FakeDestinationQuirks } from '../fakes/fake-destination.js';
import { FakeMailbox } from '../fakes/fake-mailbox.js';
import { FakeSource } from '../fakes/fake-source.js';

sourceContract('the fake', async () => {
  const mailbox = new FakeMailbox();
  mailbox.ensure(['INBOX'], 'inbox');
  return {
    async deliver(path, bytes, flags, date) {
      mailbox.ensure(path).append(bytes, flags, date);
    },
    async removeFirst(path) {
      mailbox.folder(path)!.messages.shift();
    },
    snapshot: async () => mailbox.snapshot(),
    source: () => new FakeSource(mailbox, { pageSize: 3 }),
    async close() {},
  };
});

for (const [name, quirks] of Object.entries<FakeDestinationQuirks>({
  'the fake': {},
  'the fake without UIDPLUS': { tellsIds: false },
  'the fake with MULTIAPPEND': { atomicBatch: true },
}))
  destinationContract(name, async () => {
    const mailbox = new FakeMailbox();
    const empty = (bytes: Buffer) => (bytes.length === 0 ? destinationError('item', 'never', 'EMPTY_MESSAGE') : null);
    return {
      contents: async (path) => mailbox.folder(path)?.messages ?? [],
      async deliver(path, bytes, flags, date) {
        mailbox.ensure(path).append(bytes, flags, date);
      },
      async removeFirst(path) {
        mailbox.folder(path)!.messages.shift();
      },
      destination: () => new FakeDestination(mailbox, new FakeClock(), { ...quirks, refuses: empty }),
      async close() {},
    };
  });
