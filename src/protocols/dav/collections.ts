import type { DavClient } from './client.js';
import { asCollection, decodedName, normalPath } from './hrefs.js';
import { LISTING_LIMITS, MAX_COLLECTIONS } from './limits.js';
import { type DavResource, hrefsIn, prop } from './multistatus.js';
import { APPLE, CALDAV, CALENDARSERVER, CARDDAV, child, children, DAV, text } from './names.js';
import { propfindBody } from './propfind.js';

export const COMPONENTS = ['VEVENT', 'VTODO', 'VJOURNAL'] as const;
export type Component = (typeof COMPONENTS)[number];

/** A calendar or an address book. */
export interface DavCollection {
  readonly url: URL;
  /** Normal spelling, with a final slash. */
  readonly path: string;
  readonly kind: 'calendar' | 'addressbook';
  readonly name: string;
  /** What it may hold; for an address book nothing is said. */
  readonly components: readonly Component[];
  readonly color: string | null;
  readonly order: number | null;
  readonly description: string | null;
  /** iCalendar text of its VTIMEZONE. */
  readonly timezone: string | null;
  /** Changes with any change in it, where the server has it. */
  readonly ctag: string | null;
  readonly syncToken: string | null;
  readonly canSync: boolean;
  readonly canWrite: boolean;
  /** False: it belongs to somebody else. */
  readonly own: boolean;
  /** Made by the server from something else (subscriptions, birthdays), or a waste bin. */
  readonly generated: boolean;
  readonly maxBytes: number | null;
}

const PROPS = [
  ...['D:resourcetype', 'D:displayname', 'D:owner', 'D:sync-token', 'D:supported-report-set'],
  ...['D:current-user-privilege-set', 'S:getctag', 'S:source'],
  ...['C:supported-calendar-component-set', 'C:calendar-description', 'C:calendar-timezone', 'C:max-resource-size'],
  ...['R:addressbook-description', 'R:max-resource-size', 'A:calendar-color', 'A:calendar-order'],
];
/** Longest text of a property that is kept. */
const MAX_TEXT = 1_000;
const MAX_TIMEZONE = 64 * 1024;

export interface DavHome {
  readonly collections: DavCollection[];
  /** Resources of which nothing can be asked: a calendar may be among them. */
  readonly unusable: number;
}

/** The calendars and address books of a home. @throws DavFailure, ConnectError, XmlError */
export async function listCollections(
  client: DavClient,
  home: URL,
  principal: URL | null,
  signal: AbortSignal,
): Promise<DavHome> {
  const found: DavResource[] = [];
  const request = { method: 'PROPFIND', url: home, depth: '1' as const, body: propfindBody(PROPS) };
  const { unusable } = await client.multistatus(request, LISTING_LIMITS, signal, (one) => void found.push(one));
  const collections = found
    .slice(0, MAX_COLLECTIONS)
    .map((resource) => toCollection(resource, home, principal))
    .filter((collection) => collection !== null);
  return { collections, unusable };
}

function toCollection(resource: DavResource, home: URL, principal: URL | null): DavCollection | null {
  const type = prop(resource, DAV, 'resourcetype');
  if (type === undefined) return null;
  const isCalendar = child(type, CALDAV, 'calendar') !== undefined;
  const isAddressbook = child(type, CARDDAV, 'addressbook') !== undefined;
  if (isCalendar === isAddressbook) return null;
  const path = asCollection(resource.path);
  const owner = hrefsIn(prop(resource, DAV, 'owner'), home)[0];
  const last = decodedName(path.split('/').at(-2) ?? '');
  return {
    url: new URL(path, home),
    path,
    kind: isCalendar ? 'calendar' : 'addressbook',
    name: short(prop(resource, DAV, 'displayname')) ?? last,
    components: isCalendar ? componentsOf(resource) : [],
    color: short(prop(resource, APPLE, 'calendar-color')),
    order: orderOf(text(prop(resource, APPLE, 'calendar-order'))),
    description:
      short(prop(resource, CALDAV, 'calendar-description')) ??
      short(prop(resource, CARDDAV, 'addressbook-description')),
    timezone: timezoneOf(text(prop(resource, CALDAV, 'calendar-timezone'))),
    ctag: short(prop(resource, CALENDARSERVER, 'getctag')),
    syncToken: short(prop(resource, DAV, 'sync-token')),
    canSync: reports(resource).includes('sync-collection'),
    canWrite: mayWrite(resource),
    own: owner === undefined || principal === null || samePath(owner, principal),
    generated:
      child(type, CALENDARSERVER, 'subscribed') !== undefined ||
      child(type, CALENDARSERVER, 'deleted-calendar') !== undefined ||
      prop(resource, CALENDARSERVER, 'source') !== undefined ||
      last === 'contact_birthdays',
    maxBytes: sizeOf(resource),
  };
}

/** RFC 4791 section 5.2.3: without the property a calendar takes all of them. */
function componentsOf(resource: DavResource): Component[] {
  const set = prop(resource, CALDAV, 'supported-calendar-component-set');
  if (set === undefined) return [...COMPONENTS];
  const names = children(set, CALDAV, 'comp').map((one) => one.attributes.get('name')?.toUpperCase());
  return COMPONENTS.filter((component) => names.includes(component));
}

function reports(resource: DavResource): string[] {
  const set = prop(resource, DAV, 'supported-report-set');
  return (set?.children ?? []).flatMap((one) => child(one, DAV, 'report')?.children.map(({ name }) => name) ?? []);
}

/** By what the server says of the login's privileges (RFC 3744 section 5.5); true where it says nothing. */
export function mayWrite(resource: DavResource): boolean {
  const set = prop(resource, DAV, 'current-user-privilege-set');
  if (set === undefined) return true;
  const names = set.children.flatMap((one) => one.children.map(({ name }) => name));
  return names.some((name) => ['all', 'write', 'write-content', 'bind'].includes(name));
}

function sizeOf(resource: DavResource): number | null {
  const said = text(prop(resource, CALDAV, 'max-resource-size')) || text(prop(resource, CARDDAV, 'max-resource-size'));
  return /^[1-9]\d{2,14}$/.test(said) ? Number(said) : null;
}

/** Of the same principal: one service may answer under several hosts, and names what it owns by a path. */
function samePath(a: URL, b: URL): boolean {
  const path = normalPath(a.pathname, b);
  return path !== null && asCollection(path) === asCollection(normalPath(b.pathname, b) ?? '');
}

function short(element: Parameters<typeof text>[0]): string | null {
  const said = text(element).slice(0, MAX_TEXT);
  return said === '' ? null : said;
}

function orderOf(said: string): number | null {
  return /^-?\d{1,9}$/.test(said) ? Number(said) : null;
}

function timezoneOf(said: string): string | null {
  return said.length > 0 && said.length <= MAX_TIMEZONE && /^BEGIN:VCALENDAR/i.test(said) ? said : null;
}
