/**
 * A value of an address' query as text: without control characters (Postgres takes no NUL, and none has a place in a
 * search), trimmed, cut. What is no text is ''.
 * @param max characters
 */
export function queryText(value: unknown, max: number): string {
  if (typeof value !== 'string') return '';
  return value
    .replace(/\p{Cc}/gu, '')
    .trim()
    .slice(0, max);
}
