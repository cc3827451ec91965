/** What a person ticks in "What to import", and what the JSON API calls it. */
export const ITEM_KINDS = ['mail', 'contacts', 'calendars', 'tasks', 'notes'] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

export function isItemKind(value: unknown): value is ItemKind {
  return typeof value === 'string' && (ITEM_KINDS as readonly string[]).includes(value);
}
