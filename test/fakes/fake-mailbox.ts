import type { FolderRole } from '../../src/mailbox/folder.js';
import type { ZonedDate } from '../../src/mailbox/item.js';

export interface FakeMessage {
  readonly uid: number;
  bytes: Buffer;
  flags: string[];
  date: ZonedDate;
}

export class FakeFolder {
  messages: FakeMessage[] = [];
  nextUid = 1;

  /** RFC 8474: stays with the folder whatever it is called. */
  readonly objectId = `F${Math.random().toString(36).slice(2)}`;

  constructor(
    public path: readonly string[],
    public epoch: number,
    readonly role?: FolderRole,
    readonly selectable = true,
  ) {}

  append(bytes: Uint8Array, flags: readonly string[], date: ZonedDate): FakeMessage {
    const message = { uid: this.nextUid++, bytes: Buffer.from(bytes), flags: [...flags], date };
    this.messages.push(message);
    return message;
  }

  remove(uid: number): void {
    this.messages = this.messages.filter((m) => m.uid !== uid);
  }

  /** What a rebuilt index does: the same messages under a new UIDVALIDITY and other UIDs. */
  renumber(step = 7): void {
    this.epoch += 1;
    this.nextUid = 1 + step;
    for (const [i, m] of this.messages.entries()) this.messages[i] = { ...m, uid: this.nextUid++ };
  }
}

/** What a mail server keeps for one person: lives on when connections and engines die. */
export class FakeMailbox {
  readonly folders = new Map<string, FakeFolder>();
  private epochs = 1_000;

  static nameOf(path: readonly string[]): string {
    return path.length === 1 && path[0]!.toUpperCase() === 'INBOX' ? 'INBOX' : path.join('\u0000');
  }

  folder(path: readonly string[]): FakeFolder | undefined {
    return this.folders.get(FakeMailbox.nameOf(path));
  }

  ensure(path: readonly string[], role?: FolderRole, selectable = true): FakeFolder {
    const name = FakeMailbox.nameOf(path);
    let folder = this.folders.get(name);
    if (!folder) {
      folder = new FakeFolder(path, this.epochs++, role, selectable);
      this.folders.set(name, folder);
    }
    return folder;
  }

  /** RENAME: the folder keeps its messages and numbers. */
  rename(from: readonly string[], to: readonly string[]): void {
    const folder = this.folders.get(FakeMailbox.nameOf(from));
    if (!folder) throw new Error(`no folder ${from.join('/')}`);
    this.folders.delete(FakeMailbox.nameOf(from));
    folder.path = to;
    this.folders.set(FakeMailbox.nameOf(to), folder);
  }

  remove(path: readonly string[]): void {
    this.folders.delete(FakeMailbox.nameOf(path));
  }

  byName(name: string): FakeFolder | undefined {
    return this.folders.get(name);
  }

  get bytes(): number {
    let sum = 0;
    for (const folder of this.folders.values()) for (const m of folder.messages) sum += m.bytes.length;
    return sum;
  }

  /** Everything in it, for comparing before and after. */
  snapshot(): string {
    return JSON.stringify(
      [...this.folders].map(([name, f]) => [
        name,
        f.epoch,
        f.messages.map((m) => [m.uid, m.bytes.toString('base64'), m.flags, m.date]),
      ]),
    );
  }
}
