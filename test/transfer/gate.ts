/** What everything of a dead engine throws. */
export class Killed extends Error {
  constructor() {
    super('killed');
    this.name = 'Killed';
  }
}

/** The life of one engine. */
export class Gate {
  dead = false;
  private readonly listeners: (() => void)[] = [];

  onKill(listener: () => void): void {
    this.listeners.push(listener);
  }
  kill(): void {
    if (this.dead) return;
    this.dead = true;
    for (const listener of this.listeners) listener();
  }
  check(): void {
    if (this.dead) throw new Killed();
  }
}

/**
 * The same object as long as its engine lives. Afterwards every call, every answer that is still awaited and every
 * next element throws: a dead process neither acts nor learns anything any more.
 */
export function mortal<T>(thing: T, gate: Gate): T {
  if (typeof thing !== 'object' || thing === null) return thing;
  return new Proxy(thing, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        gate.check();
        const result: unknown = Reflect.apply(value, target, args);
        if (result instanceof Promise)
          return result.then((answer) => {
            gate.check();
            return wrapped(answer, gate);
          });
        if (isStream(result)) return watched(result, gate);
        return wrapped(result, gate);
      };
    },
  });
}

/** Leases and sessions live and die with their engine; data does not. */
function wrapped(value: unknown, gate: Gate): unknown {
  const name = (value as object | null)?.constructor?.name ?? '';
  return /^Memory(Lease|Session)$/.test(name) ? mortal(value, gate) : value;
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

async function* watched(stream: AsyncIterable<unknown>, gate: Gate): AsyncIterable<unknown> {
  for await (const element of stream) {
    gate.check();
    yield element;
    gate.check();
  }
}
