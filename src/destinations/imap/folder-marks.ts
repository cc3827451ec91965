import type { DestinationFolder } from '../../mailbox/folder.js';
import type { MailboxState } from '../../protocols/imap/commands/select.js';
import type { DestinationMark } from '../destination.js';
import { epochChanged } from './ids.js';

/** What was seen while folders were made is used right after, not later (ms). */
const FRESH_MS = 30_000;

/** The UIDs each folder is known to have given away: all below a UIDNEXT that somebody told. */
export class FolderMarks {
  private readonly known = new Map<string, { epoch: string; next: number }>();
  /** UIDNEXT as it was seen while folders were made. */
  private readonly fresh = new Map<string, { epoch: string; next: number; at: number }>();

  remember(name: string, epoch: string, next: number): void {
    const known = this.known.get(name);
    if (known?.epoch === epoch && known.next >= next) return;
    this.known.set(name, { epoch, next });
  }

  /** @throws TransferError EPOCH_CHANGED when the folder that was opened is another one. */
  notice(folder: DestinationFolder, state: MailboxState): void {
    const epoch = String(state.uidValidity);
    if (epoch !== folder.epoch) throw epochChanged();
    if (state.uidNext !== null) this.remember(folder.name, epoch, state.uidNext);
  }

  /** @param at when the folder was seen so, monotonic (ms). */
  sawFresh({ name, epoch }: DestinationFolder, next: number, at: number): void {
    this.fresh.set(name, { epoch, next, at });
  }

  /** What was seen a moment ago is a lower bound as well. Once: whoever asks again wants news. */
  takeFresh(name: string): DestinationMark | null {
    const seen = this.fresh.get(name);
    this.fresh.delete(name);
    if (seen === undefined || performance.now() - seen.at >= FRESH_MS) return null;
    this.remember(name, seen.epoch, seen.next);
    return { epoch: seen.epoch, mark: String(seen.next) };
  }

  /** The lowest UID that the next message can get. */
  lowestFree({ name, epoch }: DestinationFolder): number {
    const known = this.known.get(name);
    return known?.epoch === epoch ? known.next : 1;
  }

  /** Messages that can be in a folder from a UID on, but for what others put there since we last heard of it. */
  mostFrom({ name, epoch }: DestinationFolder, lowest: number): number {
    const known = this.known.get(name);
    return known?.epoch === epoch ? Math.max(0, known.next - lowest) : Infinity;
  }
}
