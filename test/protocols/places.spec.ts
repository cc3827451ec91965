import { setImmediate as soon } from 'node:timers/promises';
import { type Place, Places } from '../../src/protocols/places.js';
import type { Permit } from '../../src/protocols/permit.js';

const signal = new AbortController().signal;

/** A fleet's limit, as SourceSlots has it: who is alone waits, others get null. */
class Fleet {
  readonly open = new Map<Permit, AbortController>();
  private readonly waiting: (() => void)[] = [];
  asked = 0;
  constructor(private readonly most: number) {}

  readonly take = async (alone: boolean): Promise<Permit | null> => {
    this.asked++;
    await soon();
    while (this.open.size >= this.most) {
      if (!alone) return null;
      await new Promise<void>((go) => this.waiting.push(go));
    }
    const loss = new AbortController();
    const permit: Permit = {
      lost: loss.signal,
      release: () => {
        this.open.delete(permit);
        this.waiting.shift()?.();
      },
    };
    this.open.set(permit, loss);
    return permit;
  };

  loseAll(): void {
    for (const loss of [...this.open.values()]) loss.abort();
  }
}

/** So many pieces of work through these places; gives the most that were under way at once. */
async function work(places: readonly Places[], times: number): Promise<number> {
  let [running, most] = [0, 0];
  await Promise.all(
    Array.from({ length: times }, async (_, n) => {
      const place = await places[n % places.length]!.take(new AbortController().signal);
      most = Math.max(most, ++running);
      await soon();
      running--;
      place.leave();
    }),
  );
  return most;
}

describe('places for requests', () => {
  it('are as many as allowed, and half of them after the server complained', async () => {
    const places = new Places(4, null);
    expect(await work([places], 40)).toBe(4);
    places.narrow();
    expect(await work([places], 40)).toBe(2);
    for (let n = 0; n < 5; n++) places.narrow();
    expect(await work([places], 10)).toBe(1);
  });

  it('need a permit each, which is kept for the next request and given back at the end', async () => {
    const fleet = new Fleet(3);
    const places = new Places(9, fleet.take);
    expect(await work([places], 60)).toBe(3);
    expect(fleet.open.size).toBe(3);
    places.close();
    expect(fleet.open.size).toBe(0);
  });

  it('of several migrations are no more together than the server bears, and nobody waits for ever', async () => {
    const fleet = new Fleet(2);
    const all = [1, 2].map(() => new Places(4, fleet.take));
    expect(await work(all, 60)).toBe(2);
    // Both have one by now; the third comes to its turn when one of them is through.
    const third = new Places(4, fleet.take);
    const waiting = work([third], 5);
    await soon();
    all[0]!.close();
    expect(await waiting).toBe(1);
  });

  it('end when somebody else may have the connection, and are asked for anew', async () => {
    const fleet = new Fleet(2);
    const places = new Places(4, fleet.take);
    const one = await places.take(signal);
    const two = await places.take(signal);
    two.leave();
    fleet.loseAll();
    expect(one.lost.aborted).toBe(true);
    // The idle one went back at once, the other one when its request has ended.
    expect(fleet.open.size).toBe(1);
    one.leave();
    expect(fleet.open.size).toBe(0);
    expect(await work([places], 10)).toBe(2);
  });

  it('pass over whoever gave up waiting', async () => {
    const places = new Places(1, null);
    const first = await places.take(signal);
    const [gone, later] = [new AbortController(), new AbortController()];
    const given = places.take(gone.signal);
    const next = places.take(later.signal);
    gone.abort(new Error('stopped'));
    await expect(given).rejects.toThrow('stopped');
    first.leave();
    const place: Place = await next;
    place.leave();
  });

  it('tell whoever asks that waiting was of no use, and the next one asks again', async () => {
    const errors = [new Error('all connections are used'), null];
    const fleet = new Fleet(1);
    const places = new Places(2, async (alone) => {
      const error = errors.shift();
      if (error) throw error;
      return fleet.take(alone);
    });
    await expect(places.take(signal)).rejects.toThrow('all connections are used');
    (await places.take(signal)).leave();
  });
});
