/** Trials that are the same every time: each is built so that one rule of the engine is all that stands between it and a loss or a double. */
import type { Fault, Plan } from './plan.js';
import { mailbox } from './plan.js';
import type { ServerName } from './servers.js';
import type { FixtureMessage } from '../fixtures/mailbox.js';

export const SCENES = ['drain', 'twins', 'mark', 'mark-ahead', 'fence'] as const;
export type Scene = (typeof SCENES)[number];

const [first, second, third, fourth] = mailbox(5, 8);
const inInbox = (...list: (FixtureMessage | undefined)[]): FixtureMessage[] =>
  list.map((message) => ({ ...message!, path: 'INBOX' }));

interface SceneParts {
  readonly messages: readonly FixtureMessage[];
  readonly hide?: readonly string[];
  readonly batchItems?: number;
  readonly faults: readonly Fault[];
}

const PARTS: Readonly<Record<Scene, SceneParts>> = {
  /** What was cut lands while the engine could already be sending it again. */
  drain: { messages: inInbox(first, second, third), faults: [{ is: 'late-landing', nth: 2, ms: 900 }] },
  /** Of two equal messages of one batch one is stored, and the other one's APPEND never reached the server. */
  twins: {
    messages: inInbox(first, first, second),
    hide: ['MULTIAPPEND'],
    batchItems: 2,
    faults: [{ is: 'say', side: 'destination', command: 'APPEND', nth: 2, text: 'BYE' }],
  },
  /** The person receives the same message as one that is still to be copied, whose APPEND then never reaches the server. */
  mark: {
    messages: inInbox(first, second, third, fourth),
    faults: [
      {
        is: 'at-step',
        // The next batch is neither intended nor sent.
        step: { name: 'stored-item', nth: 1 },
        act: { do: 'receive-equal', folder: 'INBOX', message: 2 },
      },
      { is: 'say', side: 'destination', command: 'APPEND', nth: 3, text: 'BYE' },
    ],
  },
  /** The same while a batch is settled and the next one is on the wire: the one that is cut is the first that is not intended yet. */
  'mark-ahead': {
    messages: inInbox(first, second, third, fourth),
    faults: [
      {
        is: 'at-step',
        step: { name: 'settled', nth: 1 },
        act: { do: 'receive-equal', folder: 'INBOX', message: 3 },
      },
      { is: 'say', side: 'destination', command: 'APPEND', nth: 4, text: 'BYE' },
    ],
  },
  /** An engine that fell asleep in the middle of an APPEND wakes up after its lease. */
  fence: {
    messages: inInbox(first, second, third),
    hide: ['LITERAL+', 'LITERAL-'],
    faults: [{ is: 'stop-in-append', nth: 2 }],
  },
};

export function scene(name: Scene, from: ServerName, to: ServerName, hide: readonly string[]): Plan {
  const { messages, faults, hide: more = [], batchItems = 1 } = PARTS[name];
  return { seed: 0, kind: 'scene', name, from, to, hide: [...hide, ...more], messages, batchItems, faults };
}
