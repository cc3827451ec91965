/**
 * Work on each of these in their order, some of it begun before its turn. An error waits for its turn, too; a reader that
 * stops leaves what was begun to end by itself.
 */
export async function* ahead<Given, Result>(
  all: Iterable<Given>,
  most: number,
  begin: (given: Given) => Promise<Result> | null,
): AsyncGenerator<{ readonly given: Given; readonly result: Result | null }> {
  const waiting: { given: Given; result: Promise<Result> | null }[] = [];
  const left = all[Symbol.iterator]();
  const fill = (): void => {
    while (waiting.length < most) {
      const next = left.next();
      if (next.done === true) return;
      const result = begin(next.value);
      result?.catch(() => undefined);
      waiting.push({ given: next.value, result });
    }
  };
  for (fill(); waiting.length > 0; fill()) {
    const { given, result } = waiting.shift()!;
    fill();
    yield { given, result: await result };
  }
}
