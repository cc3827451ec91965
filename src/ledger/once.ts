/** Keeps an answer that everybody shares: what failed is forgotten, and asked again by whoever needs it next. */
export async function once<T>(ask: () => Promise<T>, forget: () => void): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    forget();
    throw error;
  }
}
