import { contents, looks, type World } from './world.js';
import type { FakeMessage } from '../fakes/fake-mailbox.js';

/** Where the fakes put a source folder: "Shared1.Both" and "Shared2.Both" share one. */
export function goesTo(path: readonly string[]): readonly string[] {
  const shared = /^Shared\d*\.(.+)$/.exec(path[0] ?? '');
  return shared ? [shared[1]!] : path;
}

/**
 * An independent count: what the destination must hold is what it held before and what the source holds that was not
 * there yet, as multisets of messages.
 */
export function expectExactlyOnce(world: World, before: ReadonlyMap<string, readonly FakeMessage[]> = new Map()): void {
  const wanted = new Map<string, FakeMessage[]>();
  for (const folder of world.old.folders.values()) {
    const name = goesTo(folder.path).join('\u0000');
    wanted.set(name, [...(wanted.get(name) ?? []), ...folder.messages]);
  }
  for (const [name, messages] of wanted) {
    const bodies = (list: readonly FakeMessage[]) => list.map((m) => m.bytes.toString('latin1')).sort();
    const there = before.get(name) ?? [];
    const path = name.split('\u0000');
    const now = world.hoster.folder(path)?.messages ?? [];
    if (there.length === 0) expect(contents(world.hoster, ...path)).toEqual(looks(messages));
    else expect(bodies(now)).toEqual(union(bodies(there), bodies(messages)));
  }
  expect(world.openIntents()).toBe(0);
  const items = [...wanted.values()].reduce((sum, list) => sum + list.length, 0);
  const counts = world.counts();
  expect(counts.found).toBe(items);
  expect(counts.copied + counts.alreadyThere).toBe(items);
  expect(counts).toMatchObject({ skipped: 0, failed: 0 });
}

/** The smallest multiset that holds both. */
function union(a: readonly string[], b: readonly string[]): string[] {
  const left = [...b];
  for (const one of a) {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
  }
  return [...a, ...left].sort();
}
