/** One parameter in the spelling of its writer: `name` in capitals, values without quotes. */
export interface Param {
  readonly name: string;
  readonly values: readonly string[];
}

/** One content line (RFC 5545 section 3.1, RFC 6350 section 3.3). `value` is raw: escapes are not undone. */
export interface Property {
  /** In front of the name, as in `item1.TEL`; null: none. */
  readonly group: string | null;
  /** In capitals. */
  readonly name: string;
  readonly params: readonly Param[];
  readonly value: string;
}

/** Octets of a physical line without its end. */
const MOST_OCTETS = 75;

/** Null: no colon ends the name and the parameters, so it is no content line. */
export function parseLine(line: string): Property | null {
  const parts = headParts(line) ?? headParts(line.replaceAll('"', ''), line.length);
  if (!parts) return null;
  const [full = '', ...rest] = parts.head;
  const dot = full.lastIndexOf('.');
  const name = full
    .slice(dot + 1)
    .trim()
    .toUpperCase();
  if (name === '') return null;
  return {
    group: dot > 0 ? full.slice(0, dot).trim() : null,
    name,
    params: rest.flatMap((part) => parseParam(part)),
    value: parts.value,
  };
}

/** The parts before the colon, cut at semicolons; quoted strings are kept whole. Null: no colon, or a quote left open. */
function headParts(line: string, end = line.length): { head: string[]; value: string } | null {
  const head: string[] = [];
  let [from, quoted] = [0, false];
  for (let at = 0; at < end; at++) {
    const char = line[at];
    if (char === undefined) return null;
    if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === ';') {
      head.push(line.slice(from, at));
      from = at + 1;
    } else if (char === ':') {
      head.push(line.slice(from, at));
      return { head, value: line.slice(at + 1) };
    }
  }
  return null;
}

/** vCard 2.1 and iCalendar 1.0 leave the name out: `TEL;HOME;VOICE`, `NOTE;QUOTED-PRINTABLE` (vCard 2.1 section 2.1.3). */
function parseParam(part: string): Param[] {
  const equals = part.indexOf('=');
  if (equals < 0) {
    const value = part.trim();
    if (value === '') return [];
    if (/^(?:QUOTED-PRINTABLE|BASE64|8BIT|7BIT|B)$/i.test(value)) return [{ name: 'ENCODING', values: [value] }];
    if (/^(?:URL|INLINE|CONTENT-ID|CID)$/i.test(value)) return [{ name: 'VALUE', values: [value] }];
    return [{ name: 'TYPE', values: [value] }];
  }
  const name = part.slice(0, equals).trim().toUpperCase();
  if (name === '') return [];
  const values = part.slice(equals + 1).match(/"[^"]*"|[^,"]+|(?<=,)(?=,|$)/g) ?? [''];
  return [{ name, values: values.map((value) => value.replaceAll('"', '')) }];
}

/** Folded at 75 octets, never inside a character, with a line end. */
export function printLine(property: Property): string {
  const group = property.group === null ? '' : `${property.group}.`;
  const params = property.params.map(printParam).join('');
  return `${folded(`${group}${property.name}${params}:${property.value}`)}\r\n`;
}

function printParam({ name, values }: Param): string {
  const quoted = values.map((value) => {
    const safe = value.replace(/[\r\n]+/g, ' ').replaceAll('"', "'");
    return /[:;,]/.test(safe) ? `"${safe}"` : safe;
  });
  return `;${name}=${quoted.join(',')}`;
}

function folded(line: string): string {
  if (line.length <= MOST_OCTETS && Buffer.byteLength(line) <= MOST_OCTETS) return line;
  const out: string[] = [];
  if (/^[\x20-\x7e]*$/.test(line)) {
    out.push(line.slice(0, MOST_OCTETS));
    for (let at = MOST_OCTETS; at < line.length; at += MOST_OCTETS - 1) out.push(line.slice(at, at + MOST_OCTETS - 1));
    return out.join('\r\n ');
  }
  let [from, octets, at] = [0, 0, 0];
  for (const char of line) {
    const more = Buffer.byteLength(char);
    if (octets + more > MOST_OCTETS) {
      out.push(line.slice(from, at));
      // The blank that continues the line counts.
      [from, octets] = [at, 1];
    }
    octets += more;
    at += char.length;
  }
  out.push(line.slice(from));
  return out.join('\r\n ');
}

/** First value of a parameter. */
export function param(property: Property, name: string): string | undefined {
  return property.params.find((one) => one.name === name)?.values[0];
}

/** All values of a parameter, which may be written several times. */
export function paramValues(property: Property, name: string): string[] {
  return property.params.filter((one) => one.name === name).flatMap((one) => one.values);
}

export function withoutParam(property: Property, ...names: readonly string[]): Property {
  if (!property.params.some((one) => names.includes(one.name))) return property;
  return { ...property, params: property.params.filter((one) => !names.includes(one.name)) };
}

/** Set once, in place of what was there. */
export function withParam(property: Property, name: string, ...values: readonly string[]): Property {
  const params = property.params.filter((one) => one.name !== name);
  return { ...property, params: [...params, { name, values }] };
}

export function property(name: string, value: string, params: Readonly<Record<string, string>> = {}): Property {
  return {
    group: null,
    name,
    params: Object.entries(params).map(([key, one]) => ({ name: key, values: [one] })),
    value,
  };
}
