import { property, type Property } from '../text/content-line.js';
import type { Component } from '../text/component.js';
import {
  alarmComponents,
  attendeeProperty,
  buildCalendar,
  busyProperties,
  itemProperties,
  organizerProperty,
  seriesProperties,
  text,
  type BusyStatus,
  type PlainAttendee,
  type PlainItem,
  type PlainPerson,
  type PlainSeries,
} from './calendar.js';
import { timeProperty, utcProperty, UsedZones, type PlainTime } from './times.js';

export interface PlainOccurrence extends PlainItem {
  readonly start: PlainTime;
  /** For whole days the day after the last one. */
  readonly end?: PlainTime;
  readonly location?: string;
  readonly status?: 'TENTATIVE' | 'CONFIRMED' | 'CANCELLED';
  readonly busy?: BusyStatus;
  readonly organizer?: PlainPerson;
  readonly attendees?: readonly PlainAttendee[];
}

/** An event or a series. `changed`: occurrences that differ, each with the start it would have had. */
export interface PlainEvent extends PlainOccurrence, PlainSeries {
  readonly changed?: readonly { readonly originalStart: PlainTime; readonly event: PlainOccurrence }[];
}

/** One iCalendar object (RFC 5545 section 3.6.1). Windows zones are mapped to IANA, with their definitions. */
export function buildEvent(event: PlainEvent): Uint8Array {
  const zones = new UsedZones();
  const master = occurrence(event, seriesProperties(event, zones), zones);
  const exceptions = (event.changed ?? []).map(({ originalStart, event: other }) =>
    occurrence({ ...other, uid: event.uid }, [timeProperty('RECURRENCE-ID', [originalStart], zones)], zones),
  );
  return buildCalendar([master, ...exceptions], zones);
}

function occurrence(event: PlainOccurrence, more: readonly Property[], zones: UsedZones): Component {
  const properties = [
    ...itemProperties(event),
    timeProperty('DTSTART', [event.start], zones),
    ...(event.end ? [timeProperty('DTEND', [event.end], zones)] : []),
    ...more,
    ...text('LOCATION', event.location),
    ...(event.status ? [property('STATUS', event.status)] : []),
    ...busyProperties(event.busy),
    ...(event.organizer ? [organizerProperty(event.organizer)] : []),
    ...(event.attendees ?? []).map(attendeeProperty),
  ];
  return { name: 'VEVENT', properties, components: alarmComponents(event.alarms) };
}

export interface PlainTask extends PlainItem, PlainSeries {
  readonly start?: PlainTime;
  readonly due?: PlainTime;
  readonly completed?: Date;
  /** 0 to 100. */
  readonly percentComplete?: number;
  readonly status?: 'NEEDS-ACTION' | 'IN-PROCESS' | 'COMPLETED' | 'CANCELLED';
  /** 1 highest to 9 lowest. */
  readonly priority?: number;
}

/** RFC 5545 section 3.6.2. A series needs a start: that of one without is its due date. */
export function buildTask(task: PlainTask): Uint8Array {
  const zones = new UsedZones();
  const start = task.start ?? (task.recurrence ? task.due : undefined);
  const due = start === task.due && task.start === undefined ? undefined : task.due;
  const properties = [
    ...itemProperties(task),
    ...(start ? [timeProperty('DTSTART', [start], zones)] : []),
    ...(due ? [timeProperty('DUE', [due], zones)] : []),
    ...seriesProperties(task, zones),
    ...(task.completed ? [utcProperty('COMPLETED', task.completed)] : []),
    ...(task.percentComplete === undefined ? [] : [property('PERCENT-COMPLETE', String(task.percentComplete))]),
    ...(task.status ? [property('STATUS', task.status)] : []),
    ...(task.priority === undefined ? [] : [property('PRIORITY', String(task.priority))]),
  ];
  return buildCalendar(
    [{ name: 'VTODO', properties, components: alarmComponents(task.alarms, due !== undefined) }],
    zones,
  );
}

export interface PlainJournal extends PlainItem {
  readonly start?: PlainTime;
}

/** A note (RFC 5545 section 3.6.3). */
export function buildJournal(journal: PlainJournal): Uint8Array {
  const zones = new UsedZones();
  const start = journal.start ? [timeProperty('DTSTART', [journal.start], zones)] : [];
  return buildCalendar(
    [{ name: 'VJOURNAL', properties: [...itemProperties(journal), ...start], components: [] }],
    zones,
  );
}
