import { childrenNamed, type XmlElement } from '../../../protocols/xml.js';

/** Reads the properties of an item as the server wrote them: the library trims texts and drops what it does not know. */
export function child(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element === undefined ? undefined : childrenNamed(element, name)[0];
}

/** Undefined: missing or empty. */
export function text(element: XmlElement | undefined, name: string): string | undefined {
  const value = child(element, name)?.text;
  return value === undefined || value.trim() === '' ? undefined : value;
}

/** The same with lines as everywhere but on Windows, without blank ones around. */
export function lines(element: XmlElement | undefined, name: string): string | undefined {
  const value = text(element, name)
    ?.replace(/\r\n?/g, '\n')
    .replace(/^\n+|\s+$/g, '');
  return value === '' ? undefined : value;
}

export function isTrue(element: XmlElement | undefined, name: string): boolean {
  return child(element, name)?.text.trim() === 'true';
}

/** Undefined: missing or no number. */
export function number(element: XmlElement | undefined, name: string): number | undefined {
  const value = Number(text(element, name));
  return Number.isFinite(value) ? value : undefined;
}

/** Undefined: missing or no date. */
export function instant(element: XmlElement | undefined, name: string): Date | undefined {
  const value = new Date(text(element, name)?.trim() ?? '');
  return Number.isNaN(value.getTime()) ? undefined : value;
}

export function strings(element: XmlElement | undefined, name: string): string[] {
  return (child(element, name)?.children ?? []).map((one) => one.text.trim()).filter((one) => one !== '');
}

/** Value of an extended property by its tag or id, however that is spelled. */
export function extended(element: XmlElement, id: number): string | undefined {
  const found = childrenNamed(element, 'ExtendedProperty').find((one) => {
    const named = child(one, 'ExtendedFieldURI')?.attributes;
    return Number(named?.get('PropertyTag') ?? named?.get('PropertyId') ?? -1) === id;
  });
  return text(found, 'Value');
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Midnight in New Zealand's summer; on the other side of the date line hardly anybody lives where it is that of the same day. */
const BEFORE_NOON = 11 * HOUR;

/** A day that Exchange keeps as midnight somewhere: the nearest midnight of UTC. YYYY-MM-DD. */
export function day(at: Date): string {
  const days = at.getTime() / DAY;
  const isNext = (at.getTime() - BEFORE_NOON) % DAY === 0;
  return new Date((isNext ? Math.ceil(days) : Math.round(days)) * DAY).toISOString().slice(0, 10);
}
