import type { FolderMapping, FolderPlan, FolderRole, SourceFolder } from '../../mailbox/folder.js';
import type { Directory } from './directory.js';
import { fitPath, pathKey } from './names.js';

/** What a special folder is called where the server has none yet. */
const ROLE_NAMES: Partial<Record<FolderRole, string>> = {
  inbox: 'INBOX',
  sent: 'Sent',
  drafts: 'Drafts',
  trash: 'Trash',
  junk: 'Junk',
  archive: 'Archive',
};

/** Where each folder goes. Special folders come first, then ordinary ones below the place of their parents. */
export function planFolders(wanted: readonly SourceFolder[], directory: Directory): FolderPlan {
  const planner = new Planner(directory);
  const leftOut: FolderPlan['leftOut'][number][] = [];
  const mail: SourceFolder[] = [];
  for (const source of wanted) {
    if (source.leftOut !== undefined) leftOut.push({ source, ...source.leftOut });
    else if (source.kind !== 'mail') leftOut.push({ source, code: 'NOT_MAIL', message: 'It holds no mail.' });
    else mail.push(source);
  }
  const hasRole = (source: SourceFolder): boolean => source.role !== undefined && ROLE_NAMES[source.role] !== undefined;
  const byDepth = [...mail].sort((a, b) => a.path.length - b.path.length);
  for (const source of byDepth.filter(hasRole)) planner.special(source, source.role!);
  for (const source of byDepth.filter((one) => !hasRole(one))) planner.ordinary(source);
  return { mappings: mail.map((source) => planner.mappingOf(source)), leftOut };
}

class Planner {
  private readonly mappings = new Map<SourceFolder, FolderMapping>();
  /** Source path to destination path, for the children. */
  private readonly places = new Map<string, readonly string[]>();
  private readonly taken = new Set<string>();

  constructor(private readonly directory: Directory) {}

  mappingOf(source: SourceFolder): FolderMapping {
    return this.mappings.get(source)!;
  }

  special(source: SourceFolder, role: FolderRole): void {
    const known = this.directory.byRole.get(role);
    if (known?.writable === false && role !== 'inbox') return this.ordinary(source);
    const path = known?.path ?? [ROLE_NAMES[role]!];
    const key = pathKey(path);
    // INBOX is shared by all that call themselves that; another role is taken by the first.
    if (this.taken.has(key) && role !== 'inbox') return this.ordinary(source);
    this.put(source, path, pathKey(source.path) === key ? undefined : 'role', role);
  }

  ordinary(source: SourceFolder): void {
    const parent = this.places.get(key(source.path.slice(0, -1)));
    const above = parent ?? source.path.slice(0, -1);
    const { rules } = this.directory;
    // With a prefix "INBOX." all folders are below INBOX already; a second INBOX level would show nowhere.
    const flattened = /^INBOX/i.test(rules.prefix) && above.length === 1 && above[0]!.toUpperCase() === 'INBOX';
    const fitted = fitPath([...(flattened ? [] : above), source.path.at(-1)!], rules);
    let change: FolderMapping['changed'] = fitted.change ?? (flattened ? 'flattened' : undefined);
    let path: readonly string[] = fitted.path;
    const existing = this.directory.byKey.get(pathKey(path));
    if (existing !== undefined && key(existing.path) !== key(path)) {
      path = existing.path;
      change = 'collision';
    }
    // A folder that is closed to us gets a neighbour, so that its mail arrives all the same.
    const closed = (): boolean => this.directory.byKey.get(pathKey(path))?.writable === false;
    for (let n = 2; this.taken.has(pathKey(path)) || (source.selectable && closed()); n++) {
      path = fitPath([...fitted.path.slice(0, -1), `${fitted.path.at(-1)!} (${n})`], rules).path;
      change = 'collision';
    }
    this.put(source, path, change);
  }

  private put(
    source: SourceFolder,
    path: readonly string[],
    changed: FolderMapping['changed'],
    role?: FolderRole,
  ): void {
    this.taken.add(pathKey(path));
    this.places.set(key(source.path), path);
    const exists = this.directory.byKey.get(pathKey(path))?.selectable ?? false;
    this.mappings.set(source, {
      source,
      path,
      exists,
      ...(role === undefined ? {} : { role }),
      ...(changed === undefined || changed === null ? {} : { changed }),
    });
  }
}

function key(path: readonly string[]): string {
  return path.join('\0');
}
