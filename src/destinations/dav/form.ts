import { digestObject } from '../../conversion/semantic/digest.js';
import { type ObjectFormat, prepareForStore, type Prepared, repairedAfterRefusal } from '../../conversion/prepare.js';
import { isRefused, type TargetProfile } from '../../conversion/prepared.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import type { Note, StagedBody, StagedItem, Staging } from '../../mailbox/item.js';
import { TransferError } from '../../mailbox/transfer-error.js';

/** What store() needs to know of a body that was given its form here. */
interface Fitted {
  readonly uid: string;
  /** Other objects that shared the resource at the source: they get a name of their own each. */
  readonly also: readonly Uint8Array[];
}

/** Bodies that were given their form, as long as they are staged. */
const fittedBodies = new WeakMap<StagedBody, Fitted>();

export function formatOf(kind: ItemKind): ObjectFormat {
  return kind === 'contacts' ? 'card' : 'calendar';
}

/**
 * The form in which the destination takes an object: repaired as little as may be, nobody notified. The digests are of its meaning, not
 * of its bytes: servers write what they store anew.
 * @throws TransferError of scope 'item' for bytes that are no such object
 */
export async function fit(
  kind: ItemKind,
  item: StagedItem,
  target: TargetProfile,
  staging: Staging,
): Promise<StagedItem> {
  const prepared = prepareForStore(formatOf(kind), await bytesOf(item.body), target);
  if (isRefused(prepared))
    throw new TransferError(prepared.message, {
      side: 'source',
      scope: 'item',
      retry: 'never',
      code: prepared.refused,
    });
  return restaged(
    item,
    prepared,
    prepared.also.map(({ bytes }) => bytes),
    staging,
  );
}

/** The smallest further change after a refusal; null: nothing is left to try. */
export async function mend(kind: ItemKind, item: StagedItem, staging: Staging): Promise<StagedItem | null> {
  const better = repairedAfterRefusal(formatOf(kind), await bytesOf(item.body));
  return better === null ? null : restaged(item, better, fittedBodies.get(item.body)?.also ?? [], staging);
}

async function restaged(
  item: StagedItem,
  { bytes, uid, notes }: Prepared,
  also: readonly Uint8Array[],
  staging: Staging,
): Promise<StagedItem> {
  const whole = await staging.put(item.ref, once(bytes), bytes.length);
  const { digest, headerDigest } = digestObject(bytes);
  const body: StagedBody = {
    size: whole.size,
    digest,
    headerDigest,
    messageId: uid,
    open: () => whole.open(),
    release: () => whole.release(),
  };
  fittedBodies.set(body, { uid, also });
  return { ...item, body, notes: merged(item.notes, notes), ...(also.length > 0 ? { several: true } : {}) };
}

export function uidOf(item: StagedItem): string {
  return fittedBodies.get(item.body)?.uid ?? item.body.messageId ?? '';
}

export function alsoIn(item: StagedItem): readonly Uint8Array[] {
  return fittedBodies.get(item.body)?.also ?? [];
}

export async function bytesOf(body: StagedBody): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of body.open()) parts.push(chunk);
  return Buffer.concat(parts);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function merged(notes: readonly Note[], more: readonly Note[]): Note[] {
  const codes = new Set(notes.map(({ code }) => code));
  return [...notes, ...more.filter(({ code }) => !codes.has(code))];
}
