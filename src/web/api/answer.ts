import { notFound } from '../web-error.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** An id as the database takes it. What is none cannot be anybody's: NOT_FOUND, like a stranger's. */
export function idOf(text: string): string {
  if (!UUID.test(text)) throw notFound();
  return text.toLowerCase();
}

/** Null is what is not there or not his: both are NOT_FOUND. */
export function found<T>(value: T | null): T {
  if (value === null) throw notFound();
  return value;
}
