/**
 * The key space of a run as equal shares of its objects. Where the last run left quantiles, and how much each segment
 * has counted, decide about how wide a cell is; a segment that is being worked on is done up to its settled key.
 */
import { sql } from 'kysely';
import { loadSnapshotIndex } from '../../engine/snapshot.ts';
import { compareKeys } from '../../model/key.ts';
import type { Counters } from '../../model/outcome.ts';
import type { MapCell, RunMap } from '../entities.ts';
import { found, isoOf } from '../rows.ts';
import type { ControlWorld } from '../world.ts';
import { IS_HELD, keyOrNull } from './store-rows.ts';
import { findLatestSnapshot } from './store-runs.ts';

/** A stretch of keys of which the number of objects is known or guessed. */
export interface Stretch {
  readonly from: string | null;
  readonly to: string | null;
  readonly state: MapCell['state'];
  readonly items: number;
  readonly failed: number;
  readonly unsupported: number;
  /** How many objects it stands for; what is not listed yet has no items but is no empty stretch either. */
  readonly weight: number;
}

interface Row {
  readonly from_key: Buffer | null;
  readonly to_key: Buffer | null;
  readonly settled_key: Buffer | null;
  readonly state: string;
  readonly is_held: boolean;
  readonly counters: Counters;
}

/** ENTITY_NOT_FOUND. In one statement, so that cells and sequence are of the same moment. */
export async function mapOf(world: ControlWorld, runId: string, cells: number): Promise<RunMap> {
  const { rows } = await sql<Row & { pair_id: string; sequence: string; as_of: Date; is_segment: boolean }>`
    SELECT runs.pair_id, runs.sequence, statement_timestamp() AS as_of, segments.run_id IS NOT NULL AS is_segment,
      from_key, to_key, settled_key, segments.state, segments.counters, ${IS_HELD} IS TRUE AS is_held
    FROM runs LEFT JOIN segments ON segments.run_id = runs.id AND segments.kind = 'keys'
    WHERE runs.id = ${runId} ORDER BY from_key NULLS FIRST`.execute(world.db);
  const run = found(rows[0], 'run', runId);
  const quantiles = await lastQuantiles(world, run.pair_id);
  const stretches = rows.filter((row) => row.is_segment).flatMap((row) => stretchesOf(row, quantiles));
  return { runId, sequence: Number(run.sequence), asOf: isoOf(run.as_of), cells: cellsOf(stretches, cells) };
}

interface Quantile {
  readonly first: string;
  readonly rows: number;
}

async function lastQuantiles({ db, artifacts }: ControlWorld, pairId: string): Promise<readonly Quantile[]> {
  const index = await loadSnapshotIndex(artifacts, await findLatestSnapshot(db, pairId)).catch(() => null);
  const chunks = (index?.segments ?? []).filter(({ kind }) => kind === 'keys').flatMap((segment) => segment.chunks);
  return chunks.map(({ first, rowCount }) => ({ first, rows: rowCount }));
}

/** One that is finished is one stretch; else what is settled and what is not are two, the latter cut by the quantiles. */
function stretchesOf(row: Row, quantiles: readonly Quantile[]): Stretch[] {
  const [from, to, settled] = [keyOrNull(row.from_key), keyOrNull(row.to_key), keyOrNull(row.settled_key)];
  const { failed, unsupported, scanned } = row.counters.items;
  const counts = { items: scanned, failed, unsupported };
  const weight = Math.max(1, scanned);
  const doneState: MapCell['state'] = failed > 0 ? 'failed' : unsupported > 0 ? 'issues' : 'done';
  if (row.state === 'done') return [{ from, to, state: doneState, ...counts, weight }];
  const done: Stretch[] = settled === null ? [] : [{ from, to: settled, state: doneState, ...counts, weight }];
  const openFrom = settled ?? from;
  const state: MapCell['state'] = row.is_held ? 'listing' : 'waiting';
  const none = { items: 0, failed: 0, unsupported: 0 };
  const inside = quantiles.filter(
    ({ first }) =>
      (openFrom === null || compareKeys(first, openFrom) > 0) && (to === null || compareKeys(first, to) < 0),
  );
  if (inside.length === 0) {
    // Nothing is known of it: as wide as what was done, so that progress shows without promising anything.
    const guess = settled === null ? 1 : weight;
    return [...done, { from: openFrom, to, state, ...none, weight: guess }];
  }
  const bounds = [openFrom, ...inside.map(({ first }) => first)];
  const open = bounds.map((bound, at): Stretch => {
    const rows = inside[Math.max(0, at - 1)]?.rows ?? 1;
    const isFirst = at === 0;
    return { from: bound, to: bounds[at + 1] ?? to, state: isFirst ? state : 'waiting', ...none, weight: rows };
  });
  return [...done, ...open];
}

/** So many cells of equal weight at most; each takes the most telling state of what lies in it. */
export function cellsOf(stretches: readonly Stretch[], cells: number): readonly MapCell[] {
  const total = stretches.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0 || cells < 1) return [];
  const share = total / cells;
  const made: MapCell[] = [];
  let held: Stretch[] = [];
  let heldWeight = 0;
  let passed = 0;
  const flush = (): void => {
    if (held.length > 0) made.push(joined(held));
    held = [];
    heldWeight = 0;
  };
  for (const stretch of stretches) {
    passed += stretch.weight;
    const width = Math.max(1, Math.round(passed / share) - made.length);
    if (stretch.weight >= share) {
      flush();
      made.push(...spread(stretch, Math.max(1, Math.min(width, Math.round(stretch.weight / share)))));
      continue;
    }
    held.push(stretch);
    heldWeight += stretch.weight;
    if (heldWeight >= share) flush();
  }
  flush();
  return made;
}

/** One stretch over several cells: its keys are not known, so all of them carry its bounds. */
function spread({ from, to, state, items, failed, unsupported }: Stretch, cells: number): MapCell[] {
  const part = (all: number, at: number): number =>
    Math.floor((all * (at + 1)) / cells) - Math.floor((all * at) / cells);
  return Array.from({ length: cells }, (_, at) => ({
    from,
    to,
    state,
    items: part(items, at),
    failed: part(failed, at),
    unsupported: part(unsupported, at),
  }));
}

const TELLING: readonly MapCell['state'][] = ['failed', 'issues', 'listing', 'waiting', 'done'];

function joined(stretches: readonly Stretch[]): MapCell {
  const sum = (member: 'items' | 'failed' | 'unsupported'): number =>
    stretches.reduce((all, one) => all + one[member], 0);
  const state = TELLING.find((one) => stretches.some((stretch) => stretch.state === one)) as MapCell['state'];
  const [first, last] = [stretches[0] as Stretch, stretches.at(-1) as Stretch];
  return {
    from: first.from,
    to: last.to,
    state,
    items: sum('items'),
    failed: sum('failed'),
    unsupported: sum('unsupported'),
  };
}
