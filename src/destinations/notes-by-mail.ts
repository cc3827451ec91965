import { noteToMessage } from '../conversion/notes/note-message.js';
import type { FolderPlan, SourceFolder } from '../mailbox/folder.js';
import type { StagedItem, Staging } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { bytesOf } from './dav/form.js';
import type { Destination } from './destination.js';

/** What mail programs call the folder whose messages they show as notes. */
const NOTES_FOLDER = 'Notes';
/** How an entry of a calendar begins; whatever else comes as a note is a message already. */
const OBJECT = /^(?:\ufeff|\u00ef\u00bb\u00bf)?\s*BEGIN:/i;
const HEAD_BYTES = 64;

/**
 * Mail folders and folders of notes in one plan: a list of notes becomes the folder Notes, or one of its name in there. To the
 * mail server they are folders like any other.
 */
export async function planWithNotes(mail: Destination, wanted: readonly SourceFolder[]): Promise<FolderPlan> {
  const asked = new Map<SourceFolder, SourceFolder>();
  for (const source of wanted) {
    const { role: _role, ...plain } = source;
    asked.set(source.kind === 'notes' ? { ...plain, kind: 'mail', path: notesPath(source.path) } : source, source);
  }
  const { mappings, leftOut } = await mail.planFolders([...asked.keys()]);
  return {
    mappings: mappings.map((mapping) => ({ ...mapping, source: asked.get(mapping.source) ?? mapping.source })),
    leftOut: leftOut.map((one) => ({ ...one, source: asked.get(one.source) ?? one.source })),
  };
}

function notesPath(path: readonly string[]): readonly string[] {
  const isNotes = path[0]?.toLowerCase() === NOTES_FOLDER.toLowerCase();
  return [NOTES_FOLDER, ...(isNotes ? path.slice(1) : path)];
}

/**
 * A note as the message that mail programs show as one. What is a message comes back as it is.
 * @throws TransferError of scope 'item' for an entry that is no note
 */
export async function noteAsMessage(item: StagedItem, owner: string, staging: Staging): Promise<StagedItem> {
  if (!(await isObject(item))) return item;
  const message = noteToMessage(await bytesOf(item.body), owner);
  if (message === null)
    throw new TransferError('There is no note in it.', {
      side: 'source',
      scope: 'item',
      retry: 'never',
      code: 'OBJECT_EMPTY',
    });
  const body = await staging.put(item.ref, once(message.bytes), message.bytes.length);
  const date = { seconds: Math.floor(message.date.getTime() / 1000), offset: 0 };
  return { ...item, body, date };
}

async function isObject({ body }: StagedItem): Promise<boolean> {
  for await (const chunk of body.open())
    return OBJECT.test(Buffer.from(chunk.subarray(0, HEAD_BYTES)).toString('latin1'));
  return false;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
