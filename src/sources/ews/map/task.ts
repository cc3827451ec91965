import type { PlainAttachment } from '../../../conversion/build/calendar.js';
import { buildTask, type PlainTask } from '../../../conversion/build/items.js';
import type { PlainTime } from '../../../conversion/build/times.js';
import type { Note } from '../../../mailbox/item.js';
import type { XmlElement } from '../../../protocols/xml.js';
import { classOf, type Made, optional } from './event.js';
import { child, day, instant, isTrue, lines, number, strings, text } from './fields.js';
import { ruleOf } from './recurrence.js';

const STATUS: Readonly<Record<string, PlainTask['status']>> = {
  NotStarted: 'NEEDS-ACTION',
  InProgress: 'IN-PROCESS',
  Completed: 'COMPLETED',
  WaitingOnOthers: 'IN-PROCESS',
  Deferred: 'NEEDS-ACTION',
};
const PRIORITY: Readonly<Record<string, number>> = { High: 1, Low: 9 };
const NOWHERE = { iana: null, standard: 0, name: '', isAlike: false };

/** A task as one iCalendar object. Its days have no zone. */
export function taskOf(item: XmlElement, uid: string, attachments: readonly PlainAttachment[]): Made {
  const notes: Note[] = [];
  const date = (name: string): PlainTime | undefined => {
    const at = instant(item, name);
    return at === undefined ? undefined : { is: 'date', date: day(at) };
  };
  const start = date('StartDate');
  const due = date('DueDate');
  const recurrence = child(item, 'Recurrence');
  const series = recurrence === undefined ? null : ruleOf(recurrence, NOWHERE, null);
  if (series?.is === 'regenerating') notes.push({ code: 'TASK_REGENERATES' });
  if (series?.is === 'unknown') notes.push({ code: 'RULE_DROPPED', detail: series.pattern });
  const wish = text(item, 'Status') ?? '';
  if (wish === 'WaitingOnOthers' || wish === 'Deferred') notes.push({ code: 'TASK_STATUS_MAPPED', detail: wish });
  const reminder = isTrue(item, 'ReminderIsSet') ? instant(item, 'ReminderDueBy') : undefined;
  const completed = instant(item, 'CompleteDate');
  const created = instant(item, 'DateTimeCreated');
  const percent = number(item, 'PercentComplete');
  const bytes = buildTask({
    uid,
    modified: instant(item, 'LastModifiedTime') ?? created ?? new Date(0),
    ...(created === undefined ? {} : { created }),
    ...optional('summary', text(item, 'Subject')),
    ...optional('description', lines(item, 'Body')),
    categories: strings(item, 'Categories'),
    ...optional('classification', classOf(item)),
    ...optional('start', start),
    // RFC 5545 section 3.8.2.3: not before the start.
    ...(due !== undefined && !isBefore(due, start) ? { due } : {}),
    ...(completed === undefined ? {} : { completed }),
    ...(percent === undefined ? {} : { percentComplete: Math.round(Math.min(100, Math.max(0, percent))) }),
    ...optional('status', STATUS[wish]),
    ...optional('priority', PRIORITY[text(item, 'Importance') ?? '']),
    ...(series?.is === 'rule' && (start ?? due) !== undefined ? { recurrence: series.rule } : {}),
    attachments,
    alarms: reminder === undefined ? [] : [{ at: reminder }],
  });
  return { bytes, notes };
}

function isBefore(due: PlainTime, start: PlainTime | undefined): boolean {
  return due.is === 'date' && start?.is === 'date' && due.date < start.date;
}
