const EDGE = /^(BEGIN|END):\s*([\w-]+)\s*$/i;
const HEAD = 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Mailferry//Recovery//EN\r\n';
const FOOT = 'END:VCALENDAR\r\n';

/** One file of many objects, for programs that import such files; made object by object. `name` ends the file's name. */
export interface ObjectFile {
  readonly name: '.ics' | '.vcf';
  readonly type: string;
  /** What the next object adds to the file. */
  add(object: Uint8Array): string;
  end(): string;
}

/** Cards one after the other (RFC 6350 section 3.3). */
export function cardFile(): ObjectFile {
  return {
    name: '.vcf',
    type: 'text/vcard; charset=utf-8',
    add: (object) => lineEnded(Buffer.from(object).toString('utf8')),
    end: () => '',
  };
}

/**
 * Events, tasks and notes in one calendar, with each time zone once. Where two objects describe one zone differently a new calendar begins in
 * the file (RFC 5545 section 3.4 allows several).
 */
export function calendarFile(): ObjectFile {
  let open = false;
  const zones = new Map<string, string>();
  return {
    name: '.ics',
    type: 'text/calendar; charset=utf-8',
    add(object) {
      const parts = componentsOf(Buffer.from(object).toString('utf8'));
      const own = new Map(
        parts.filter(({ name }) => name === 'VTIMEZONE').map((part) => [zoneId(part.text), part.text]),
      );
      const clashes = [...own].some(([id, text]) => (zones.get(id) ?? text) !== text);
      let added = '';
      if (open && clashes) {
        added += FOOT;
        open = false;
      }
      if (!open) {
        zones.clear();
        added += HEAD;
        open = true;
      }
      for (const [id, text] of own) if (!zones.has(id)) added += text;
      for (const [id, text] of own) zones.set(id, text);
      return added + parts.flatMap(({ name, text }) => (name === 'VTIMEZONE' ? [] : [text])).join('');
    },
    end() {
      const last = open ? FOOT : '';
      open = false;
      return last;
    },
  };
}

interface Part {
  readonly name: string;
  readonly text: string;
}

/** The components right inside VCALENDAR, as their writer spelled them. */
function componentsOf(object: string): Part[] {
  const parts: Part[] = [];
  let [depth, from, name] = [0, 0, ''];
  const lines = object.split(/\r\n|\r|\n/);
  for (const [at, line] of lines.entries()) {
    const edge = EDGE.exec(line);
    if (edge === null) continue;
    if (edge[1]!.toUpperCase() === 'BEGIN') {
      if (++depth === 2) [from, name] = [at, edge[2]!.toUpperCase()];
    } else if (depth-- === 2) parts.push({ name, text: `${lines.slice(from, at + 1).join('\r\n')}\r\n` });
  }
  return parts;
}

function zoneId(text: string): string {
  return /^TZID[^:\r\n]*:([^\r\n]*)/im.exec(text)?.[1]?.trim() ?? '';
}

function lineEnded(text: string): string {
  return text.endsWith('\n') ? text : `${text}\r\n`;
}
