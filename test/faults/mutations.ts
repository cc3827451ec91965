/** Copies of the built engine, each without one of the rules that keep it exact: the suite must notice every one. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnginePool } from './engine-process.js';
import { scene, type Scene } from './scenes.js';
import type { Servers } from './servers.js';
import { type Result, runTrial } from './trial.js';

interface Mutation {
  readonly name: string;
  /** Which are built for it. */
  readonly scenes: readonly Scene[];
  /** What the new server does not show; with and without UIDPLUS where it is left out. */
  readonly hides?: readonly (readonly string[])[];
  /** What its absence does: anything else that goes wrong does not count. */
  readonly does: RegExp;
  /** File below dist/src, what stands there, and what stands there afterwards. */
  readonly changes: readonly (readonly [file: string, from: string, to: string])[];
}

const A_LOSS = /^INBOX: \d+ of \d+ missing/;
const A_DOUBLE = /^INBOX: \d+ too many/;

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'the drain: no waiting for late landings before the second sending',
    scenes: ['drain'],
    does: A_DOUBLE,
    changes: [['transfer/late-landings.js', '[0, 2_000, 8_000, DRAIN_MS - 10_000]', '[0]']],
  },
  {
    name: 'the unclaimed-twins rule: what a binding claims is a candidate as well',
    scenes: ['twins'],
    // With UIDPLUS the ledger's own rule, one claim for a message, catches it: the second one is looked for again, and stored.
    hides: [['UIDPLUS']],
    does: /^3 messages and 2 claims/,
    changes: [['transfer/look.js', '!claimed.has(item.id.id)', 'true']],
  },
  {
    name: 'the UIDNEXT window: everything in the folder is a candidate',
    scenes: ['mark', 'mark-ahead'],
    does: A_LOSS,
    changes: [
      ['transfer/look.js', 'wanted.map((w) => w.mark).reduce(minId)', "'1'"],
      ['transfer/look.js', 'compareIds(item.id.id, want.mark) >= 0', 'true'],
    ],
  },
  {
    name: 'the fence: neither mayCommit nor the lost lease stops a write',
    scenes: ['fence'],
    does: A_DOUBLE,
    changes: [
      ['transfer/run.js', '!this.storing.aborted && this.lease.mayCommit()', 'true'],
      ['transfer/run.js', 'AbortSignal.any([stop, lease.lost, this.broken.signal])', 'AbortSignal.any([stop])'],
      ['transfer/run.js', 'AbortSignal.any([lease.lost, this.broken.signal, this.grace.signal])', 'this.grace.signal'],
    ],
  },
];

/** @param build where the sound engine is. @returns the copy's folder. @throws Error when the engine looks different by now. */
function mutated(build: string, { name, changes }: Mutation): string {
  const dir = mkdtempSync(join(tmpdir(), 'mailferry-mutant-'));
  mkdirSync(join(dir, 'dist'));
  for (const part of ['src', 'migrations'])
    cpSync(join(build, 'dist', part), join(dir, 'dist', part), { recursive: true });
  cpSync(join(build, 'package.json'), join(dir, 'package.json'));
  symlinkSync(join(build, 'node_modules'), join(dir, 'node_modules'));
  for (const [file, from, to] of changes) {
    const path = join(dir, 'dist', 'src', file);
    const text = readFileSync(path, 'utf8');
    if (text.split(from).length !== 2) throw new Error(`${name}: ${file} does not hold ${from} exactly once`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
  }
  return dir;
}

export interface Verdict {
  readonly name: string;
  /** Nothing wrong with all rules in place; without this one, in every trial, just what its absence does. */
  readonly noticed: boolean;
  /** With all rules in place. */
  readonly sound: readonly Result[];
  readonly without: readonly Result[];
}

/** Plays each mutation's scene with the sound engine and with the one that lacks the rule, with and without UIDPLUS. */
export async function tryMutations(build: string, servers: Servers): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const intact = new EnginePool(build, servers.databaseUrl);
  const play = ({ scenes, hides = [[], ['UIDPLUS']] }: Mutation, engines: EnginePool): Promise<Result[]> =>
    Promise.all(
      scenes.flatMap((name) =>
        hides.map((hide) => runTrial(scene(name, 'dovecot', 'dovecot', hide), { servers, engines })),
      ),
    );
  try {
    for (const mutation of MUTATIONS) {
      const dir = mutated(build, mutation);
      const engines = new EnginePool(dir, servers.databaseUrl);
      try {
        const [sound, without] = [await play(mutation, intact), await play(mutation, engines)];
        const noticed =
          sound.every(({ wrong }) => wrong.length === 0) &&
          without.every(({ wrong }) => wrong.some((line) => mutation.does.test(line)));
        verdicts.push({ name: mutation.name, noticed, sound, without });
      } finally {
        await engines.stop();
        rmSync(dir, { recursive: true, force: true });
      }
    }
  } finally {
    await intact.stop();
  }
  return verdicts;
}
