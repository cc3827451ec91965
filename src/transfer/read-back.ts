import type { FoundItem } from '../destinations/destination.js';
import type { Settled } from '../ledger/ledger.js';
import type { Note } from '../mailbox/item.js';
import { compareIds, minId, sameFlags } from './ids.js';
import type { LaneState } from './lane-state.js';
import { fingerprints } from './look.js';

/** Items of a destination folder that are read back as soon as they are stored, and of all folders together. */
const FIRST_ITEMS = 5;
const FIRST_OF_ALL = 20;
/** A date this near to the moment of storing is the server's own, not ours. */
const NOW_SLACK_SECONDS = 600;

type Copied = Extract<Settled, { is: 'copied' }>;

/**
 * The trial of a destination, in the folders that are written first: their first items are looked at with all they have, so that a server that
 * damages mail is found out after five messages and not after five hundred thousand. The final listing compares
 * date, size and flags of every item; this one compares the bytes as well.
 */
export class ReadBack {
  private read = 0;
  private datesNow = 0;
  private datesOurs = 0;
  private looking: Promise<void> = Promise.resolve();

  constructor(private readonly lane: LaneState) {}

  /** Starts looking; the next batch need not wait for it. */
  begin(settled: readonly Settled[]): void {
    // Of events and contacts the destination reads back every one itself.
    if (this.lane.folder.kind !== 'mail') return;
    const { run } = this.lane;
    const room = Math.min(FIRST_ITEMS - this.read, FIRST_OF_ALL - run.readBack);
    if (room <= 0) return;
    const first = settled.filter((s): s is Copied => s.is === 'copied' && s.id !== null).slice(0, room);
    if (first.length === 0) return;
    this.read += first.length;
    run.readBack += first.length;
    const looked = this.looking.then(() => this.look(first));
    // Heard by done().
    looked.catch(() => undefined);
    this.looking = looked;
  }

  /** Waits for what was begun. @throws what went wrong with it, once. */
  async done(): Promise<void> {
    const { looking } = this;
    this.looking = Promise.resolve();
    await looking;
  }

  private async look(first: readonly Copied[]): Promise<void> {
    const { run, folder, epoch } = this.lane;
    const byId = new Map(first.map((item) => [item.id!.id, item]));
    const ids = [...byId.keys()].sort(compareIds);
    const found = new Map<string, FoundItem>();
    for await (const window of run.destination.list(folder, { epoch, mark: ids.reduce(minId) }, run.signal)) {
      for (const item of window) if (byId.has(item.id.id)) found.set(item.id.id, item);
      if (found.size === byId.size) break;
    }
    for (const [id, item] of found) this.compareDate(byId.get(id)!, item);
    const bodies = fingerprints(
      run,
      folder,
      [...found.values()].map((item) => item.id),
      'body',
    );
    for await (const print of bodies) {
      const sent = byId.get(print.id.id)!;
      if (print.digest !== sent.digest)
        await run.ledger.remark(sent.folder, [{ code: 'BODY_CHANGED', detail: this.lane.name }]);
    }
    await this.judgeDates(first[0]!.folder);
    await run.step('read-back');
  }

  private compareDate(sent: Copied, found: FoundItem): void {
    if (!sent.date || !found.date) return;
    const now = Math.floor(this.lane.run.now().getTime() / 1000);
    const ours = Math.abs(sent.date.seconds - now) <= NOW_SLACK_SECONDS;
    if (sent.date.seconds === found.date.seconds || ours) this.datesOurs++;
    else if (Math.abs(found.date.seconds - now) <= NOW_SLACK_SECONDS) this.datesNow++;
    else this.datesOurs++;
  }

  private async judgeDates(folder: Copied['folder']): Promise<void> {
    if (this.read < FIRST_ITEMS || this.datesNow < FIRST_ITEMS || this.datesOurs > 0) return;
    this.datesNow = 0;
    await this.lane.run.ledger.remark(folder, [{ code: 'DATES_NOT_KEPT', detail: this.lane.name }]);
    this.lane.run.listener.log('warn', 'The new server gives every message the date of today.', {
      folder: this.lane.name,
    });
  }
}

/** What the destination changed about an item that was found where it was claimed. */
function changes(
  sent: { size: number; date: { seconds: number } | null; flags: readonly string[] },
  found: FoundItem,
): Note[] {
  const notes: Note[] = [];
  if (sent.date && found.date && sent.date.seconds !== found.date.seconds) notes.push({ code: 'DATE_CHANGED' });
  if (sent.size !== found.size) notes.push({ code: 'SIZE_CHANGED' });
  if (!sameFlags(sent.flags, found.flags)) notes.push({ code: keywordsOnly(sent.flags, found.flags) });
  return notes;
}

/** The same for an item of a lane: what is no mail is read back by its destination, which tells its changes itself. */
export function changesIn({ folder }: LaneState, sent: Parameters<typeof changes>[0], found: FoundItem): Note[] {
  return folder.kind === 'mail' ? changes(sent, found) : [];
}

/** System flags may be changed by the person while the run goes on; keywords are what servers drop. */
function keywordsOnly(sent: readonly string[], found: readonly string[]): string {
  const left = new Set(found.map((flag) => flag.toLowerCase()));
  const lost = sent.filter((flag) => !left.has(flag.toLowerCase()));
  return lost.length > 0 && lost.every((flag) => !flag.startsWith('\\')) ? 'KEYWORDS_DROPPED' : 'FLAGS_CHANGED';
}
