import { ConversionError } from '../conversion-error.js';
import { MOST_COMPONENTS, MOST_DATES, MOST_DEPTH, MOST_PROPERTIES } from '../limits.js';
import { parseLine, printLine, property, type Property } from './content-line.js';
import { readLines, type TextDefect } from './lines.js';

/** BEGIN:name ... END:name. Names in capitals; the order of what is in it is the writer's. */
export interface Component {
  readonly name: string;
  readonly properties: readonly Property[];
  readonly components: readonly Component[];
}

export interface Parsed {
  /** The outermost components, e.g. one VCALENDAR, or some VCARDs. */
  readonly components: readonly Component[];
  /** `lines`: lines that are no content lines, or an END that is missing or one too many. */
  readonly defects: ReadonlySet<TextDefect | 'lines'>;
}

interface Open {
  name: string;
  properties: Property[];
  components: Component[];
}

/**
 * Reads any bytes as a forest of components. Nothing is expanded, fetched or judged here.
 * @throws ConversionError OBJECT_TOO_LARGE, OBJECT_TOO_COMPLEX
 */
export function parseComponents(bytes: Uint8Array): Parsed {
  const { lines, defects } = readLines(bytes);
  const found: Set<TextDefect | 'lines'> = new Set(defects);
  const root: Open = { name: '', properties: [], components: [] };
  const open: Open[] = [root];
  let [properties, components, dates] = [0, 0, 0];
  for (const line of lines) {
    const one = parseLine(line);
    const top = open.at(-1)!;
    if (!one || (open.length === 1 && one.name !== 'BEGIN')) found.add('lines');
    else if (one.name === 'BEGIN') {
      if (open.length > MOST_DEPTH || ++components > MOST_COMPONENTS) tooComplex();
      open.push({ name: one.value.trim().toUpperCase(), properties: [], components: [] });
    } else if (one.name === 'END') {
      if (!close(open, one.value.trim().toUpperCase())) found.add('lines');
    } else {
      if (one.name === 'EXDATE' || one.name === 'RDATE') dates += one.value.split(/[,;]/).length;
      if (++properties > MOST_PROPERTIES || dates > MOST_DATES) tooComplex();
      top.properties.push(one);
    }
  }
  if (open.length > 1) {
    found.add('lines');
    close(open, open[1]!.name);
  }
  return { components: root.components, defects: found };
}

/** Closes the innermost component of that name and what is open in it. False: the names did not match. */
function close(open: Open[], name: string): boolean {
  const at = open.findLastIndex((one, i) => i > 0 && one.name === name);
  if (at < 0) return false;
  const matched = at === open.length - 1;
  while (open.length > at) {
    const done = open.pop()!;
    open.at(-1)!.components.push(done);
  }
  return matched;
}

function tooComplex(): never {
  throw new ConversionError('OBJECT_TOO_COMPLEX', 'The object has too many parts.');
}

/** UTF-8 with CRLF and folded lines. */
export function printComponents(components: readonly Component[]): Uint8Array {
  const out: string[] = [];
  const print = (one: Component): void => {
    out.push(printLine(property('BEGIN', one.name)));
    for (const line of one.properties) out.push(printLine(line));
    for (const inner of one.components) print(inner);
    out.push(printLine(property('END', one.name)));
  };
  for (const one of components) print(one);
  return Buffer.from(out.join(''), 'utf8');
}

export function first(component: Component, name: string): Property | undefined {
  return component.properties.find((one) => one.name === name);
}

/** The first property's value, trimmed; undefined when it is missing or empty. */
export function valueOf(component: Component, name: string): string | undefined {
  return first(component, name)?.value.trim() || undefined;
}

export function without(component: Component, ...names: readonly string[]): Component {
  return { ...component, properties: component.properties.filter((one) => !names.includes(one.name)) };
}

export function adding(component: Component, ...more: readonly Property[]): Component {
  return { ...component, properties: [...component.properties, ...more] };
}

/** In place of the first of that name; the others go. Added at the end where there is none. */
export function replacing(component: Component, one: Property): Component {
  const at = component.properties.findIndex(({ name }) => name === one.name);
  if (at < 0) return adding(component, one);
  const properties = component.properties.filter(({ name }, i) => i === at || name !== one.name);
  return { ...component, properties: properties.map((old) => (old.name === one.name ? one : old)) };
}
