/**
 * What the panel is asked, with an end: a panel that hangs must hold neither a run nor a page.
 * @param ms how long it may take. @throws Error when it took longer, or what the panel threw
 */
export async function inTime<T>(question: () => Promise<T> | T, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the panel did not answer in time')), ms);
  });
  try {
    return await Promise.race([(async () => question())(), late]);
  } finally {
    clearTimeout(timer);
  }
}
