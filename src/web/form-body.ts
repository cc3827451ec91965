import type { Request } from './http.js';

/** What a form sends: one value, several of one name, or nothing. */
export type FormBody = Readonly<Record<string, unknown>>;

/** What a form sent; nothing where that is no form. */
export function bodyOf(req: Request): FormBody {
  return typeof req.body === 'object' && req.body !== null ? (req.body as FormBody) : {};
}

/** The field's text, trimmed; '' when it is missing, repeated or not text. */
export function field(body: FormBody, name: string): string {
  const value = body[name];
  return typeof value === 'string' ? value.trim() : '';
}

/** A password as typed: blanks belong to it. */
export function secretField(body: FormBody, name: string): string {
  const value = body[name];
  return typeof value === 'string' ? value : '';
}

/** All values of a field that may be repeated. */
export function fields(body: FormBody, name: string): string[] {
  const value = body[name];
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((entry): entry is string => typeof entry === 'string' && entry !== '');
}
