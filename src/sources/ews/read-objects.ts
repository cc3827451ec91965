import type { PlainAttachment } from '../../conversion/build/calendar.js';
import { uidFrom } from '../../conversion/uid.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import type { ItemRef, Note, ReadOutcome, Staging } from '../../mailbox/item.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { getAttachment } from '../../protocols/ews/attachments.js';
import { SEARCH_KEY } from '../../protocols/ews/item-list.js';
import { getItems, type GotItem, isShort } from '../../protocols/ews/items.js';
import type { XmlElement } from '../../protocols/xml.js';
import { ahead } from './ahead.js';
import type { EwsClient } from './client.js';
import { aboutOne, isGone, itemError, make } from './item-errors.js';
import { idOfRef } from './keys.js';
import { contactOf, groupOf, photoOf } from './map/contact.js';
import { eventOf, idOf, type Made } from './map/event.js';
import { child, extended, instant, isTrue, number, text } from './map/fields.js';
import { noteOf } from './map/note.js';
import { taskOf } from './map/task.js';
import { propertiesFor } from './properties.js';

/** Items of one GetItem: without their bodies of mail they are small. */
const ITEMS = 20;
const AHEAD = 3;
/** Bytes of a photo, of a file on an appointment or a task, and of all its files: more has no place in a calendar. */
const PHOTO_BYTES = 2 * 1024 * 1024;
const FILE_BYTES = 1024 * 1024;
const FILES_BYTES = 3 * 1024 * 1024;

export interface ObjectContext {
  readonly client: EwsClient;
  readonly kind: Exclude<ItemKind, 'mail'>;
  readonly account: string;
  /** The mailbox's own address. */
  readonly owner: string;
}

/** Appointments, contacts, tasks and notes as iCalendar and vCard, made from their properties. */
export async function* readObjects(
  context: ObjectContext,
  refs: readonly ItemRef[],
  stage: Staging,
  signal: AbortSignal,
): AsyncGenerator<ReadOutcome> {
  const batches: (readonly ItemRef[])[] = [];
  for (let at = 0; at < refs.length; at += ITEMS) batches.push(refs.slice(at, at + ITEMS));
  const { client, kind } = context;
  const asked = ahead(batches, AHEAD, (batch) => got(client, kind, batch.map(idOfRef), signal));
  for await (const { given, result } of asked)
    for (const [i, ref] of given.entries()) {
      signal.throwIfAborted();
      yield await outcomeOf(context, ref, result![i]!, stage, signal);
    }
}

async function got(
  client: EwsClient,
  kind: ObjectContext['kind'],
  ids: readonly string[],
  signal: AbortSignal,
): Promise<(GotItem | TransferError)[]> {
  const ask = (some: readonly string[]): Promise<GotItem[]> =>
    client.repeatable(signal, () => getItems(client.transport, some, propertiesFor(kind), signal));
  try {
    return await ask(ids);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TransferError) || !(isShort(error.cause) || error.code === 'PROTOCOL_ERROR')) throw error;
    const all: (GotItem | TransferError)[] = [];
    for (const id of ids)
      try {
        all.push(...(await ask([id])));
      } catch (alone) {
        signal.throwIfAborted();
        if (!(alone instanceof TransferError) || alone.scope === 'account') throw alone;
        all.push(aboutOne(alone) ?? make('NOT_GIVEN', 'The old server lists it and does not give it out.', 'later'));
      }
    return all;
  }
}

async function outcomeOf(
  context: ObjectContext,
  ref: ItemRef,
  item: GotItem | TransferError,
  stage: Staging,
  signal: AbortSignal,
): Promise<ReadOutcome> {
  if (item instanceof TransferError) return { ref, is: 'unreadable', error: item };
  if ('code' in item)
    return isGone(item.code)
      ? { ref, is: 'vanished' }
      : { ref, is: 'unreadable', error: itemError(item.code, item.text) };
  try {
    const made = await madeOf(context, item.element, signal);
    if (made instanceof TransferError) return { ref, is: 'unreadable', error: made };
    const body = await stage.put(ref, only(made.bytes), made.bytes.length);
    return { ref, is: 'staged', item: { ref, body, date: null, flags: [], notes: made.notes } };
  } catch (error) {
    signal.throwIfAborted();
    const about = aboutOne(error);
    if (about === null) throw error;
    return { ref, is: 'unreadable', error: about };
  }
}

async function madeOf(context: ObjectContext, item: XmlElement, signal: AbortSignal): Promise<Made | TransferError> {
  const uid = uidOf(context.account, item);
  const other = make('OTHER_KIND', 'It is of another kind than its folder, and stays where it is.', 'never');
  switch (context.kind) {
    case 'calendars':
      return item.name === 'CalendarItem' ? event(context, item, uid, signal) : other;
    case 'contacts':
      if (item.name === 'DistributionList') return groupOf(item, uid);
      return item.name === 'Contact' ? contact(context, item, uid, signal) : other;
    case 'tasks':
      return item.name === 'Task' ? task(context, item, uid, signal) : other;
    case 'notes':
      return /^IPM\.StickyNote/i.test(text(item, 'ItemClass') ?? '') ? noteOf(item, uid) : other;
  }
}

/** The same after the mailbox moved and every id is another one, and another one for a copy. */
function uidOf(account: string, item: XmlElement): string {
  const key = extended(item, SEARCH_KEY);
  const created = instant(item, 'DateTimeCreated')?.toISOString() ?? '';
  return key === undefined ? uidFrom('ews', account, idOf(item)) : uidFrom('ews', key.trim(), created);
}

async function event(
  { client, owner }: ObjectContext,
  master: XmlElement,
  uid: string,
  signal: AbortSignal,
): Promise<Made | TransferError> {
  const ids = (child(master, 'ModifiedOccurrences')?.children ?? []).map(idOf).filter((id) => id !== '');
  const occurrences = new Map<string, XmlElement>();
  for (let at = 0; at < ids.length; at += ITEMS)
    for (const one of await got(client, 'calendars', ids.slice(at, at + ITEMS), signal))
      if (!(one instanceof TransferError) && 'element' in one) occurrences.set(one.id, one.element);
  const files = new Map<string, PlainAttachment[]>();
  const notes: Note[] = [];
  const room = { bytes: FILES_BYTES };
  for (const item of [master, ...occurrences.values()])
    files.set(idOf(item), await filesOf(client, item, room, notes, signal));
  const made = eventOf({ master, occurrences, files, uid, owner });
  if (made === null) return make('EVENT_WITHOUT_START', 'The event does not say when it is.', 'never');
  return { bytes: made.bytes, notes: [...made.notes, ...notes] };
}

async function task({ client }: ObjectContext, item: XmlElement, uid: string, signal: AbortSignal): Promise<Made> {
  const notes: Note[] = [];
  const made = taskOf(item, uid, await filesOf(client, item, { bytes: FILES_BYTES }, notes, signal));
  return { bytes: made.bytes, notes: [...made.notes, ...notes] };
}

/** A card has room for a picture, and for no other file. */
async function contact({ client }: ObjectContext, item: XmlElement, uid: string, signal: AbortSignal): Promise<Made> {
  const all = child(item, 'Attachments')?.children ?? [];
  const picture = all.find((one) => one.name === 'FileAttachment' && isPicture(one));
  const file = picture === undefined ? null : await attached(client, picture, PHOTO_BYTES, signal);
  const photo = file === null ? null : photoOf(file.bytes);
  const made = contactOf(item, uid, photo);
  const left = all.filter((one) => one !== picture || photo === null);
  return { bytes: made.bytes, notes: [...made.notes, ...left.map(leftOut)] };
}

const isPicture = (file: XmlElement): boolean =>
  isTrue(file, 'IsContactPhoto') || text(file, 'Name') === 'ContactPicture.jpg';

const leftOut = (file: XmlElement): Note => ({ code: 'ATTACHMENT_LEFT_OUT', detail: text(file, 'Name') ?? 'file' });

async function filesOf(
  client: EwsClient,
  item: XmlElement,
  room: { bytes: number },
  notes: Note[],
  signal: AbortSignal,
): Promise<PlainAttachment[]> {
  const files: PlainAttachment[] = [];
  for (const one of child(item, 'Attachments')?.children ?? []) {
    const name = text(one, 'Name') ?? 'file';
    const most = Math.min(FILE_BYTES, room.bytes);
    const isFile = one.name === 'FileAttachment' && (number(one, 'Size') ?? 0) <= most * 2;
    const file = isFile ? await attached(client, one, most, signal) : null;
    if (file === null) notes.push(leftOut(one));
    else {
      room.bytes -= file.bytes.length;
      files.push({ bytes: file.bytes, mediaType: file.type || 'application/octet-stream', name: file.name || name });
    }
  }
  return files;
}

function attached(
  client: EwsClient,
  one: XmlElement,
  most: number,
  signal: AbortSignal,
): ReturnType<typeof getAttachment> {
  const id = child(one, 'AttachmentId')?.attributes.get('Id') ?? '';
  return client.repeatable(signal, () => getAttachment(client.transport, id, most, signal));
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
