import type { z } from 'zod';
import { WebError } from '../web-error.js';

/** Problems that are named one by one; a list of thousands helps nobody. */
const MAX_NAMED = 20;

/**
 * What was sent, checked. @throws WebError VALIDATION that names each wrong field by its dotted path in `details`,
 * in our own words: zod's may quote what was typed, and that may be a password.
 */
export function validate<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const details: Record<string, string> = {};
  for (const issue of result.error.issues.slice(0, MAX_NAMED))
    for (const [field, why] of describe(issue)) details[field] ??= why;
  const [field, why] = Object.entries(details)[0] ?? ['request', 'is not right'];
  throw new WebError('VALIDATION', `${field} ${why}.`, details);
}

function describe(issue: z.core.$ZodIssue, at: readonly PropertyKey[] = []): [string, string][] {
  const path = [...at, ...issue.path];
  const field = path.map(printable).join('.') || 'request';
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => [[...path, key].map(printable).join('.'), 'is not known here']);
    case 'invalid_type':
      return [
        [field, issue.input === undefined ? `is missing (${issue.expected})` : `must be of type ${issue.expected}`],
      ];
    case 'too_small':
      return [[field, `must be at least ${issue.minimum}${unit(issue.origin)}`]];
    case 'too_big':
      return [[field, `must be at most ${issue.maximum}${unit(issue.origin)}`]];
    case 'invalid_value':
      return [[field, `must be one of: ${issue.values.map(String).join(', ')}`]];
    case 'invalid_union': {
      // The branch that came furthest is the one that was meant.
      const [best] = [...issue.errors].sort((a, b) => a.length - b.length);
      return best === undefined ? [[field, 'is not right']] : best.flatMap((inner) => describe(inner, path));
    }
    case 'custom':
      return [[field, issue.message]];
    default:
      return [[field, 'has the wrong form']];
  }
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' ? ' entries long' : '';
}

/** A key is the sender's text: bounded, and without what breaks a line. */
function printable(key: PropertyKey): string {
  return String(key)
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
    .slice(0, 80);
}
