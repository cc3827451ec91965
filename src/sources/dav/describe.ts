import { parseLine } from '../../conversion/text/content-line.js';
import type { ItemDescription, ItemRef } from '../../mailbox/item.js';
import type { DavClient } from '../../protocols/dav/client.js';
import { MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { multiget } from '../../protocols/dav/multiget.js';
import type { FoundFolder } from './folders.js';
import { pathOf } from './keys.js';

/** Characters of one value that a report shows. */
const MAX_VALUE = 300;
/** Characters of a line that are looked at, its parameters included. */
const MAX_LINE = 8 * 1024;
/** Bytes of an object in which its name and date are looked for. */
const LOOKED_AT = 256 * 1024;

/** What a report names of an event or a card. Refs that are gone, or cannot be read now, are left out. */
export async function* describeItems(
  client: DavClient,
  { collection }: FoundFolder,
  refs: readonly ItemRef[],
  signal: AbortSignal,
): AsyncGenerator<ItemDescription> {
  for (let at = 0; at < refs.length; at += MULTIGET_ITEMS) {
    const wanted = new Map(refs.slice(at, at + MULTIGET_ITEMS).map((ref) => [pathOf(ref), ref]));
    const described: ItemDescription[] = [];
    await client.repeatable(signal, async () => {
      described.splice(0);
      await multiget(client, collection, [...wanted.keys()], signal, ({ path, body }) => {
        const ref = wanted.get(path);
        if (ref !== undefined) described.push(describe(ref, body.subarray(0, LOOKED_AT).toString('utf8')));
      });
    });
    yield* described;
  }
}

function describe({ key }: ItemRef, object: string): ItemDescription {
  const lines = object.replace(/\r?\n[ \t]/g, '').split(/\r?\n/);
  const from = lines.findIndex((line) => /^BEGIN:(VEVENT|VTODO|VJOURNAL|VCARD)/i.test(line));
  const value = (name: RegExp): string => {
    const line = lines.slice(Math.max(from, 0)).find((one) => name.test(one));
    return line === undefined ? '' : unescaped(parseLine(line.slice(0, MAX_LINE))?.value ?? '');
  };
  return {
    key,
    subject: value(/^(?:[\w-]+\.)?(SUMMARY|FN)[;:]/i),
    from: value(/^ORGANIZER[;:]/i).replace(/^mailto:/i, '') || value(/^(?:[\w-]+\.)?EMAIL[;:]/i),
    date: dateOf(value(/^(DTSTART|DUE)[;:]/i)),
  };
}

/** RFC 5545 section 3.3.11. */
function unescaped(text: string): string {
  return text
    .replace(/\\([nN,;\\])/g, (_, char: string) => (char.toLowerCase() === 'n' ? ' ' : char))
    .trim()
    .slice(0, MAX_VALUE);
}

/** The day, for recognising: a zone is not looked up. */
function dateOf(value: string): Date | null {
  const parts = /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2}))?/.exec(value);
  if (parts === null) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1).map((part) => Number(part ?? 0));
  const date = new Date(Date.UTC(year!, month! - 1, day, hour, minute, second));
  return Number.isNaN(date.getTime()) ? null : date;
}
