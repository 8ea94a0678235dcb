/**
 * Targets that take names for one which differ only by case or by forms of accents. Which of a source's names become one
 * is known only when all of them were seen, so every item of such a run is put off, and joined by its folded name.
 *
 * One of the items that meet at a name keeps it. The others get the name that ends with a hash of their key, and keep
 * that for as long as it is there, whatever becomes of the first: so a run moves nothing that the run before it placed.
 */
import type { Entry } from '../model/entry.ts';
import { compareKeys } from '../model/key.ts';
import type { NameRules } from '../model/names.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import type { LaterRow } from './chunks.ts';
import type { RunContext } from './context.ts';
import { foldKey, objectBesidePrefixName, variantName, variantStem } from './naming.ts';
import { nameAtTarget, SnapshotReader } from './snapshot.ts';
import { ExternalSort } from './sort.ts';

/** The text by which names at this target are compared and put in order. */
export function nameOrder(rules: NameRules): (name: string) => string {
  return rules.caseSensitive ? (name) => name : foldKey;
}

/** Rows of one snapshot, asked for by folded name, in order. */
export class RowsByName {
  readonly #reader: SnapshotReader;
  readonly #order: (name: string) => string;

  constructor({ world, previous, rules }: RunContext) {
    this.#order = nameOrder(rules);
    this.#reader = new SnapshotReader(world.artifacts, previous, 'mapped', { from: null, to: null }, this.#order);
  }

  /** Those of exactly this place in the order; later calls must ask for later places. */
  async at(place: string): Promise<SnapshotRow[]> {
    const found: SnapshotRow[] = [];
    for (;;) {
      await this.#reader.fill();
      const row = this.#reader.peek();
      if (!row) return found;
      const order = compareKeys(this.#order(nameAtTarget(row)), place);
      if (order > 0) return found;
      if (order === 0) found.push(row);
      this.#reader.take();
    }
  }
}

/** What stands at one place in the order of folded names. */
interface Placed {
  readonly at: string;
  readonly row: LaterRow | null;
  /** There is a name at the target that may be another item's name for this place. */
  readonly variant?: string;
}

/** An object of which it is not known yet whether its name is also a folder's. */
interface Open {
  readonly at: string;
  readonly rows: readonly LaterRow[];
  readonly target: LaterRow | null;
}

/** The same rows, each under the one name that is its own at the target. */
export async function* named(
  context: RunContext,
  rows: AsyncIterable<LaterRow>,
  prefix: string,
): AsyncGenerator<LaterRow> {
  const sort = new ExternalSort<Placed>(context.world.artifacts, prefix, (a, b) => compareKeys(a.at, b.at));
  const previous = new RowsByName(context);
  try {
    for await (const row of rows) {
      await sort.add({ at: foldKey(row.targetKey), row });
      const stem = row.side === 'target' ? variantStem(row.targetKey) : null;
      if (stem !== null) await sort.add({ at: foldKey(stem), row: null, variant: row.targetKey });
    }
    const namer = new Namer(context);
    for await (const group of groupsOf(sort.sorted(), ({ at }) => at)) {
      const at = (group[0] as Placed).at;
      yield* namer.name(at, group, await previous.at(at));
    }
    yield* namer.end();
  } finally {
    await sort.clear();
  }
}

class Namer {
  readonly #context: RunContext;
  /** Each at a name that begins the next one's. */
  #open: Open[] = [];

  constructor(context: RunContext) {
    this.#context = context;
  }

  *name(at: string, group: readonly Placed[], previous: readonly SnapshotRow[]): Generator<LaterRow> {
    const rows = group.flatMap(({ row }) => (row === null ? [] : [row]));
    const sources = rows.filter(({ side }) => side === 'source');
    const targets = rows.filter(({ side }) => side === 'target');
    if (sources.length > 0 && !this.#context.rules.objectAndPrefix) yield* this.#closeBefore(at);
    const winner = this.#winner(group, sources, targets, previous);
    const kept = sources.filter((row) => row.entry.key === winner);
    for (const row of sources) {
      if (row.entry.key === winner) continue;
      // Folders that become one hold what all of them hold.
      if (isFolder(row.entry)) yield row;
      else yield { ...row, targetKey: variantName(row.targetKey, row.entry.key, this.#context.rules) };
    }
    const first = kept[0];
    const mayBeFolder =
      !this.#context.rules.objectAndPrefix && first?.entry.kind === 'object' && !first.targetKey.endsWith('/');
    const object = mayBeFolder ? (targets.find(({ entry }) => entry.kind === 'object') ?? null) : null;
    for (const row of targets) if (row !== object) yield row;
    if (mayBeFolder) this.#open.push({ at, rows: kept, target: object });
    else yield* kept;
  }

  *end(): Generator<LaterRow> {
    for (const open of this.#open) yield* asItIs(open);
    this.#open = [];
  }

  /** What the name of the next item says about those before it: of a name `a` it is open until no `a/b` can follow. */
  *#closeBefore(at: string): Generator<LaterRow> {
    for (let open = this.#open.at(-1); open !== undefined; open = this.#open.at(-1)) {
      if (at.startsWith(open.at) && at[open.at.length] !== '/') return;
      yield* at.startsWith(open.at) ? besideFolder(open, this.#context.rules) : asItIs(open);
      this.#open.pop();
    }
  }

  /** The source's key that the name belongs to; `null` when it is nobody's. */
  #winner(
    group: readonly Placed[],
    sources: readonly LaterRow[],
    targets: readonly LaterRow[],
    previous: readonly SnapshotRow[],
  ): string | null {
    const { rules, filter } = this.#context;
    const variants = new Set(group.flatMap(({ variant }) => (variant === undefined ? [] : [foldKey(variant)])));
    const rank = ({ entry, targetKey }: LaterRow): number => {
      if (previous.some((row) => row.key === entry.key)) return 0;
      if (targets.some((row) => row.targetKey === targetKey)) return 1;
      return filter(entry) === null && entry.kind !== 'opaque' ? 2 : 3;
    };
    const hasAnother = ({ entry, targetKey }: LaterRow): boolean =>
      !isFolder(entry) && variants.has(foldKey(variantName(targetKey, entry.key, rules)));
    const able = variants.size === 0 ? sources : sources.filter((row) => !hasAnother(row));
    if (able.every(({ entry }) => entry.key === able[0]?.entry.key)) return able[0]?.entry.key ?? null;
    const ranked = able.map((row) => ({ key: row.entry.key, rank: rank(row) }));
    return ranked.reduce((a, b) => ((b.rank - a.rank || compareKeys(b.key, a.key)) < 0 ? b : a)).key;
  }
}

function* asItIs({ rows, target }: Open): Generator<LaterRow> {
  yield* rows;
  if (target !== null) yield target;
}

/** The object gives way to the folder of its name, and leaves its old copy there behind. */
function* besideFolder({ rows, target }: Open, rules: NameRules): Generator<LaterRow> {
  for (const [number, row] of rows.entries()) {
    const targetKey = objectBesidePrefixName(row.entry.key, rules);
    yield number === 0 && target !== null ? { ...row, targetKey, inTheWay: target.entry } : { ...row, targetKey };
  }
}

/** A folder, or the empty object that stands for one where there are none. */
function isFolder({ kind, key, sizeBytes }: Entry): boolean {
  return kind === 'folder' || (kind === 'object' && sizeBytes === 0 && key.endsWith('/'));
}

/** Neighbors of the same place, together. */
export async function* groupsOf<T>(items: AsyncIterable<T>, placeOf: (item: T) => string): AsyncGenerator<T[]> {
  let group: T[] = [];
  let place = '';
  for await (const item of items) {
    const its = placeOf(item);
    if (group.length > 0 && its !== place) {
      yield group;
      group = [];
    }
    place = its;
    group.push(item);
  }
  if (group.length > 0) yield group;
}
