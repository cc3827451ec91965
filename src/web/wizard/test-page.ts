import type { TestFolder, TestPlan, TestView } from '../../jobs/job.js';
import { ITEM_KINDS, type ItemKind } from '../../mailbox/kinds.js';

/** One folder of the old mailbox and where it goes. */
export interface PlanRow {
  /** Position in the test's list: what the form sends, because a name may hold anything. */
  readonly index: number;
  readonly from: string;
  readonly levels: readonly string[];
  readonly to: string | null;
  readonly exists: boolean;
  /** Key of the words that say why the name differs. */
  readonly changed: string | null;
  readonly kind: ItemKind;
  readonly items: number | null;
  readonly bytes: number | null;
  readonly copied: boolean;
  /** Left out unless it is ticked. */
  readonly optional: boolean;
}
/** Folders the person left out, and those that are out by themselves and were asked for. */
export interface Choice {
  readonly exclude: readonly (readonly string[])[];
  readonly include: readonly (readonly string[])[];
}
export interface PlanTotals {
  readonly folders: number;
  readonly items: number;
  readonly bytes: number;
}
export interface PlanView {
  readonly rows: readonly PlanRow[];
  /** Folders can be ticked; with very many of them the form would be refused as too large. */
  readonly pickable: boolean;
  readonly leftOut: TestPlan['leftOut'];
  /** Folders that were to be left out and that the old mailbox does not have: a slip of the finger, mostly. */
  readonly notFound: readonly string[];
  /** Of the whole mailbox. */
  readonly found: PlanTotals;
  /** Of the whole mailbox, kinds in the usual order. */
  readonly kinds: readonly { readonly kind: ItemKind; readonly items: number }[];
  /** Of what is ticked. */
  readonly totals: PlanTotals;
  readonly empty: boolean;
  readonly quota: TestPlan['quota'];
  readonly maxItemBytes: number | null;
  readonly tooLarge: number | null;
  readonly existingItems: number | null;
  readonly estimate: TestPlan['estimate'];
}
export interface TestPageView {
  readonly state: 'none' | 'running' | 'passed' | 'failed';
  readonly id: string | null;
  readonly queued: boolean;
  readonly code: string | null;
  readonly message: string | null;
  readonly action: string | null;
  readonly certificate: TestView['certificate'] | null;
  /** Another server that the old one named. */
  readonly redirect: string | null;
  /** Where Exchange's web service was found. */
  readonly ewsUrl: string | null;
  readonly plan: PlanView | null;
}

/** @param words what codes mean at this provider, where the general sentence would mislead */
export function testPage(
  test: TestView | null,
  { exclude, include }: Choice,
  words: Readonly<Record<string, string | undefined>>,
): TestPageView {
  if (test === null) return { ...NOTHING, state: 'none' };
  if (test.state !== 'done') return { ...NOTHING, state: 'running', id: test.id, queued: test.state === 'queued' };
  if (test.ok) {
    const plan = planView(test, { exclude, include });
    return { ...NOTHING, state: 'passed', ewsUrl: test.ews?.url ?? null, plan };
  }
  const redirect = test.code === 'EWS_REDIRECTED' ? (test.redirect?.url ?? null) : null;
  return {
    ...NOTHING,
    state: 'failed',
    code: test.code,
    message: words[test.code] ?? test.message,
    // The page offers what the general advice can only name.
    action: redirect === null ? (test.action ?? null) : null,
    certificate: test.code === 'TLS_UNTRUSTED' ? (test.certificate ?? null) : null,
    redirect,
  };
}

const NOTHING = {
  id: null,
  queued: false,
  code: null,
  message: null,
  action: null,
  certificate: null,
  redirect: null,
  ewsUrl: null,
  plan: null,
};

/** Fewer than the fields a form of ours may have. */
const MAX_TICKS = 1500;

export function planView(test: TestView, { exclude, include }: Choice): PlanView {
  const goes = new Map(test.plan?.folders.map((folder) => [nameOf(folder.kind, folder.from), folder]));
  const rows = test.folders
    .map((folder, index): PlanRow => {
      const levels = levelsOf(folder);
      const target = goes.get(nameOf(folder.kind, folder.path));
      return {
        index,
        from: folder.path,
        levels,
        to: target?.to ?? null,
        exists: target?.exists ?? false,
        changed: target?.changed ?? null,
        kind: folder.kind,
        items: folder.items,
        bytes: folder.bytes,
        copied: !isExcluded(levels, exclude) && (!folder.optional || isExcluded(levels, include)),
        optional: folder.optional === true,
      };
    })
    .filter((row) => !test.plan?.leftOut.some((folder) => folder.path === row.from));
  const copied = rows.filter((row) => row.copied);
  return {
    rows,
    pickable: rows.length <= MAX_TICKS,
    leftOut: test.plan?.leftOut ?? [],
    notFound: exclude
      .filter((path) => !test.folders.some((folder) => isExcluded(levelsOf(folder), [path])))
      .map((path) => path.join('/')),
    found: test.totals,
    kinds: ITEM_KINDS.flatMap((kind) => {
      const ofKind = rows.filter((row) => row.kind === kind);
      return ofKind.length === 0 ? [] : [{ kind, items: ofKind.reduce((sum, row) => sum + (row.items ?? 0), 0) }];
    }),
    totals: {
      folders: copied.length,
      items: copied.reduce((sum, row) => sum + (row.items ?? 0), 0),
      bytes: copied.reduce((sum, row) => sum + (row.bytes ?? 0), 0),
    },
    empty: test.totals.items === 0,
    quota: test.plan?.quota ?? null,
    maxItemBytes: test.plan?.maxItemBytes ?? null,
    tooLarge: test.plan?.tooLarge ?? null,
    existingItems: test.plan?.existingItems ?? null,
    estimate: test.plan?.estimate ?? null,
  };
}

function nameOf(kind: ItemKind, path: string): string {
  return `${kind}|${path}`;
}

/** The folder's name, one entry a level. A worker that does not send them leaves the displayed path. */
export function levelsOf(folder: TestFolder): readonly string[] {
  return folder.levels ?? folder.path.split('/');
}

/** A folder is left out with the folder it lies in. */
export function isExcluded(path: readonly string[], exclude: readonly (readonly string[])[]): boolean {
  return exclude.some((left) => left.length <= path.length && left.every((level, i) => level === path[i]));
}

export interface Ticks {
  readonly exclude: string[][];
  readonly include: string[][];
  /** Ticked folders inside an unticked one: leaving a folder out takes what is in it along, so this must be asked. */
  readonly conflicts: readonly PlanRow[];
}

/** The folders to leave out after the ticks on the plan. What was typed before and is not in the plan is dropped. */
export function excludedBy(plan: PlanView, ticked: readonly string[]): Ticks {
  const kept = new Set(ticked);
  const isTicked = (row: PlanRow): boolean => kept.has(String(row.index));
  const unticked = plan.rows.filter((row) => !isTicked(row) && !row.optional).map((row) => row.levels);
  const exclude: (readonly string[])[] = [];
  for (const path of [...unticked].sort((a, b) => a.length - b.length))
    if (!isExcluded(path, exclude)) exclude.push(path);
  return {
    exclude: exclude.map((path) => [...path]),
    include: plan.rows.filter((row) => row.optional && isTicked(row)).map(({ levels }) => [...levels]),
    conflicts: plan.rows.filter((row) => isTicked(row) && isExcluded(row.levels, exclude)),
  };
}
