/** What a trial does, worked out from its seed and nothing else. */
import type { Step } from '../../src/transfer/contract.js';
import { fixtureMailbox, type FixtureMessage } from '../fixtures/mailbox.js';
import type { WireFault } from '../servers/imap-proxy.js';
import type { ServerName } from './servers.js';

export type Side = 'source' | 'destination';

/** One thing that goes wrong. Steps are the engine's numbered ones, counted from 1 in the first run. */
export type Fault =
  | { readonly is: 'wire'; readonly side: Side; readonly wire: WireFault }
  | {
      readonly is: 'hold-reply';
      readonly side: Side;
      readonly command: string;
      readonly nth: number;
      readonly ms: number;
    }
  | { readonly is: 'drop-reply'; readonly side: Side; readonly command: string; readonly nth: number }
  | { readonly is: 'late-landing'; readonly nth: number; readonly ms: number }
  | { readonly is: 'say'; readonly side: Side; readonly command: string; readonly nth: number; readonly text: string }
  | { readonly is: 'at-step'; readonly step: StandAt; readonly act: Act }
  /** The engine stops while the server waits for the body of its nth APPEND, and goes on when another one has done the work. */
  | { readonly is: 'stop-in-append'; readonly nth: number }
  | { readonly is: 'quota'; readonly kb: number }
  | { readonly is: 'disk-full'; readonly where: Side | 'worker'; readonly kb: number };

/** A numbered step counted from 1, or the nth of a name. */
export type StandAt = number | { readonly name: Step; readonly nth: number };

/** What happens while the engine stands at a step. */
export type Act =
  | { readonly do: 'kill-engine' }
  /** For longer than its lease: another engine does the work meanwhile, then it goes on. */
  | { readonly do: 'stop-engine' }
  | { readonly do: 'crash-server'; readonly side: Side }
  | { readonly do: 'crash-database' }
  | { readonly do: 'expunge' | 'move' | 'deliver'; readonly side: Side; readonly folder: string; readonly nth: number }
  /** The new mailbox receives the same bytes as one of the messages that are to be copied. */
  | { readonly do: 'receive-equal'; readonly folder: string; readonly message: number }
  /** The folder gets another UIDVALIDITY and other UIDs; at the destination between two runs. */
  | { readonly do: 'rebuild'; readonly side: Side };

export const KINDS = [
  'cut',
  'stall',
  'drip',
  'garble',
  'hold-reply',
  'drop-reply',
  'late-landing',
  'say',
  'kill-engine',
  'stop-engine',
  'expunge',
  'move',
  'deliver',
  'rebuild',
  'quota',
  'disk-full',
  'crash-server',
  'crash-database',
] as const;
export type Kind = (typeof KINDS)[number];
/** What would meet other trials too: done alone. */
export const ALONE: readonly Kind[] = ['crash-server', 'crash-database'];

export interface Plan {
  readonly seed: number;
  readonly kind: Kind | 'steps' | 'scene';
  /** Of a scene. */
  readonly name?: string;
  readonly from: ServerName;
  readonly to: ServerName;
  /** Capabilities that the destination hides. */
  readonly hide: readonly string[];
  readonly messages: readonly FixtureMessage[];
  readonly batchItems: number;
  readonly faults: readonly Fault[];
}

export const FOLDERS = ['INBOX', 'Work', 'Work/2024', 'Lists'] as const;
/** Has no folders below and is nobody's special one: it can be taken away and made anew on every server. */
export const REBUILT = 'Lists';
/** A small mailbox takes the engine some forty to eighty of them. */
const STEPS_OF_A_RUN = 70;
const TRANSIENT = [
  'NO [INUSE] Mailbox in use',
  'NO [UNAVAILABLE] Try again later',
  'NO [SERVERBUG] Internal error occurred',
  'NO Request is throttled. Suggested Backoff Time: 40 milliseconds',
  'BAD Request is throttled. Suggested Backoff Time: 40 milliseconds',
  'NO [LIMIT] Rate limit hit.',
  'BYE Temporary problem, please try again later',
  'BYE Disconnected for inactivity.',
  'BYE',
];

export interface Random {
  upTo(n: number): number;
  oneOf<T>(list: readonly T[]): T;
  chance(p: number): boolean;
}

/** mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): Random {
  let a = seed >>> 0;
  const next = (): number => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    upTo: (n) => Math.floor(next() * n),
    oneOf: (list) => list[Math.floor(next() * list.length)]!,
    chance: (p) => next() < p,
  };
}

/** Equal messages in one folder, with the same flags and with others, among ordinary ones. */
export function mailbox(seed: number, count: number): FixtureMessage[] {
  const random = randomOf(seed + 1);
  const made: FixtureMessage[] = [];
  let n = 0;
  for (const one of fixtureMailbox(count, seed)) {
    const message = {
      ...one,
      path: FOLDERS[n++ % FOLDERS.length]!,
      flags: one.flags.filter((flag) => flag !== '\\Deleted'),
    };
    made.push(message);
    if (random.chance(0.25)) made.push(random.chance(0.5) ? message : { ...message, flags: ['\\Seen', 'Twin'] });
  }
  return made;
}

export interface Choice {
  readonly seed: number;
  /** Taken in turns, so that a hundred trials of twenty kinds have five of each. */
  readonly kind: Kind;
  readonly servers: readonly { readonly from: ServerName; readonly to: ServerName }[];
}

export function plan({ seed, kind, servers }: Choice): Plan {
  const random = randomOf(seed);
  const pair = random.oneOf(servers);
  const hide = [...(random.chance(0.5) ? ['UIDPLUS'] : []), ...(random.chance(0.3) ? ['MULTIAPPEND'] : [])];
  const messages = mailbox(seed, 10 + random.upTo(25));
  const faults = faultsOf(kind, random, messages);
  if (random.chance(0.35)) {
    const another = random.oneOf(['cut', 'drop-reply', 'late-landing', 'kill-engine'] as const);
    if (another !== kind) faults.push(...faultsOf(another, random, messages));
  }
  return { seed, kind, ...pair, hide, messages, batchItems: 1 + random.upTo(6), faults };
}

function faultsOf(kind: Kind, random: Random, messages: readonly FixtureMessage[]): Fault[] {
  const bytes = messages.reduce((sum, { message }) => sum + message.length, 0);
  const side = random.oneOf(['source', 'destination'] as const);
  const step = 1 + random.upTo(STEPS_OF_A_RUN);
  const at = (act: Act): Fault[] => [{ is: 'at-step', step, act }];
  switch (kind) {
    case 'cut':
    case 'stall':
    case 'drip':
    case 'garble': {
      const way = kind === 'garble' ? 'down' : random.oneOf(['up', 'down'] as const);
      const withBodies = (side === 'source') === (way === 'down');
      const wire = { way, at: random.upTo(withBodies ? bytes + 6_000 : 5_000) };
      const details = {
        cut: { ...wire, kind: 'cut' },
        stall: { ...wire, kind: 'stall', ms: 200 + random.upTo(1_500) },
        drip: { ...wire, kind: 'drip', bytes: 200 + random.upTo(400), ms: 2 },
        garble: { ...wire, kind: 'garble' },
      } as const;
      return [{ is: 'wire', side, wire: details[kind] }];
    }
    case 'hold-reply':
    case 'drop-reply': {
      const command =
        side === 'source'
          ? random.oneOf(['UID FETCH', 'EXAMINE', 'LIST'])
          : random.oneOf(['APPEND', 'APPEND', 'APPEND', 'CREATE', 'SELECT', 'UID FETCH']);
      const where = { side, command, nth: 1 + random.upTo(command === 'APPEND' ? 8 : 3) };
      return kind === 'drop-reply'
        ? [{ is: 'drop-reply', ...where }]
        : [{ is: 'hold-reply', ...where, ms: 100 + random.upTo(1_500) }];
    }
    case 'late-landing':
      return [{ is: 'late-landing', nth: 1 + random.upTo(6), ms: 50 + random.upTo(900) }];
    case 'say': {
      const command =
        side === 'source'
          ? random.oneOf(['UID FETCH', 'EXAMINE', 'LIST'])
          : random.oneOf(['APPEND', 'APPEND', 'SELECT', 'UID FETCH']);
      return [{ is: 'say', side, command, nth: 1 + random.upTo(4), text: random.oneOf(TRANSIENT) }];
    }
    case 'kill-engine':
    case 'stop-engine':
    case 'crash-database':
      return at({ do: kind });
    case 'crash-server':
    case 'rebuild':
      return at({ do: kind, side });
    case 'expunge':
    case 'move':
    case 'deliver':
      return at({ do: kind, side, folder: random.oneOf(FOLDERS), nth: random.upTo(8) });
    case 'quota':
      return [{ is: 'quota', kb: Math.max(8, Math.floor((bytes / 1_024) * (0.2 + random.upTo(60) / 100))) }];
    case 'disk-full':
      return [
        {
          is: 'disk-full',
          where: random.oneOf(['worker', 'destination'] as const),
          kb: Math.max(40, Math.floor((bytes / 1_024) * 0.4)),
        },
      ];
  }
}
