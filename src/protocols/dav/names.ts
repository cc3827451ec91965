import type { XmlElement } from '../xml.js';

/** Namespaces: RFC 4918, 4791, 6352, and what Apple and CalendarServer added. */
export const DAV = 'DAV:';
export const CALDAV = 'urn:ietf:params:xml:ns:caldav';
export const CARDDAV = 'urn:ietf:params:xml:ns:carddav';
export const CALENDARSERVER = 'http://calendarserver.org/ns/';
export const APPLE = 'http://apple.com/ns/ical/';

/** Declares the prefixes D, C, R, S and A on a request's root. */
export const XMLNS = `xmlns:D="${DAV}" xmlns:C="${CALDAV}" xmlns:R="${CARDDAV}" xmlns:S="${CALENDARSERVER}" xmlns:A="${APPLE}"`;

/** Characters that XML 1.0 cannot hold are left out: there is no way to write them (section 2.2). */
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escapeXml(text: string): string {
  // Half a character becomes U+FFFD: it could not be sent as UTF-8.
  return Buffer.from(text, 'utf8')
    .toString('utf8')
    .replace(NOT_XML, '')
    .replace(/[&<>"]/g, (char) => ESCAPES[char]!);
}

export function child(element: XmlElement, namespace: string, name: string): XmlElement | undefined {
  return element.children.find((one) => one.name === name && one.namespace === namespace);
}

export function children(element: XmlElement, namespace: string, name: string): XmlElement[] {
  return element.children.filter((one) => one.name === name && one.namespace === namespace);
}

export function text(element: XmlElement | undefined): string {
  return element?.text.trim() ?? '';
}
