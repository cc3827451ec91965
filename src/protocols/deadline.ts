/**
 * Runs work under one signal that aborts with the caller's, or after `ms` with `late()`. A promise that ignores the signal
 * is left behind, not waited for.
 */
export async function underDeadline<T>(
  ms: number,
  outer: AbortSignal,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer.throwIfAborted();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(outer.reason);
  outer.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => controller.abort(late()), ms);
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  try {
    return await Promise.race([work(controller.signal), aborted]);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', onAbort);
    aborted.catch(() => undefined);
    // What the work started and did not wait for ends with it.
    controller.abort(new Error('no longer needed'));
  }
}
