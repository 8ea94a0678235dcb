/**
 * The key space of a run as shares of its objects. What is settled is known exactly: commits say in which ranges their
 * items lie. How wide the rest is, is a guess from what the run was expected to find. All of it is read from the
 * database in one statement, however large the run.
 */
import { sql, type RawBuilder } from 'kysely';
import { compareKeys } from '../../model/key.ts';
import type { ItemCounts } from '../../model/outcome.ts';
import type { MapCell, RunMap } from '../entities.ts';
import type { KeptExpectation } from '../fleet/forecast.ts';
import { found, isoOf } from '../rows.ts';
import type { ControlWorld } from '../world.ts';
import { keptExpectation } from './expectation.ts';
import { IS_HELD, keyOrNull, sharesFromText } from './store-rows.ts';

/** With more of them, or of commits, segments are as fine as need be, and reading their ranges would take too long. */
const CUT_SEGMENTS_MAX = 500;
const COMMITS_MAX = 4_000;

/** A stretch of keys of which the number of objects is known or guessed. */
export interface Stretch {
  readonly from: string | null;
  readonly to: string | null;
  readonly state: MapCell['state'];
  readonly items: number;
  readonly failed: number;
  readonly unsupported: number;
  /** How many objects it stands for. `null`: nothing is known of it. */
  readonly weight: number | null;
  readonly isExact: boolean;
}

const itemsOf = (name: keyof ItemCounts): RawBuilder<number> =>
  sql<number>`(counters #>> ${sql.lit(`{items,${name}}`)})::float8`;

interface Row {
  readonly from_key: Buffer | null;
  readonly to_key: Buffer | null;
  readonly settled_key: Buffer | null;
  readonly state: string;
  readonly is_held: boolean;
  readonly items: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly shares: readonly string[] | null;
}

interface RunRow {
  readonly sequence: string;
  readonly expected: string | null;
  readonly as_of: Date;
  readonly is_segment: boolean;
}

/** ENTITY_NOT_FOUND. In one statement, so that cells and sequence are of the same moment. */
export async function mapOf(world: Pick<ControlWorld, 'db'>, runId: string, cells: number): Promise<RunMap> {
  const { rows } = await sql<Row & RunRow>`
    WITH own AS (
      SELECT segment_id, from_key, to_key, settled_key, state, ${itemsOf('scanned')} AS items,
        ${itemsOf('failed')} AS failed, ${itemsOf('unsupported')} AS unsupported, ${IS_HELD} IS TRUE AS is_held
      FROM segments WHERE run_id = ${runId} AND kind = 'keys'
    ), cut AS (
      SELECT segment_id, number, shares FROM chunks WHERE run_id = ${runId} AND shares IS NOT NULL
        AND (SELECT count(*) FROM own) <= ${CUT_SEGMENTS_MAX}
      LIMIT ${COMMITS_MAX + 1}
    ), known AS (
      SELECT segment_id, array_agg(shares ORDER BY number) AS shares FROM cut
      WHERE (SELECT count(*) FROM cut) <= ${COMMITS_MAX} GROUP BY segment_id
    )
    SELECT runs.sequence, runs.expected, statement_timestamp() AS as_of, own.segment_id IS NOT NULL AS is_segment,
      from_key, to_key, settled_key, own.state, items, failed, unsupported, is_held, known.shares
    FROM runs LEFT JOIN own ON true LEFT JOIN known ON known.segment_id = own.segment_id
    WHERE runs.id = ${runId} ORDER BY from_key NULLS FIRST`.execute(world.db);
  const run = found(rows[0], 'run', runId);
  const expected = keptExpectation(run.expected);
  const stretches = rows.filter((row) => row.is_segment).flatMap((row) => stretchesOf(row, expected));
  const made = cellsOf(weighed(stretches, expected?.items ?? null), cells);
  return { runId, sequence: Number(run.sequence), asOf: isoOf(run.as_of), cells: made };
}

/** What is settled, and what is not: the latter cut where the last run's keys lay. */
function stretchesOf(row: Row, expected: KeptExpectation | null): Stretch[] {
  const [from, to, settled] = [keyOrNull(row.from_key), keyOrNull(row.to_key), keyOrNull(row.settled_key)];
  const isDone = row.state === 'done';
  const reached = isDone ? to : settled;
  const done = isDone || settled !== null ? settledOf(row, from, reached) : [];
  if (isDone) return done;
  const sum = (member: 'items' | 'failed' | 'unsupported'): number => done.reduce((all, one) => all + one[member], 0);
  // Committed beyond the settled key: it lies somewhere in what is open.
  const rest = {
    items: row.items - sum('items'),
    failed: row.failed - sum('failed'),
    unsupported: row.unsupported - sum('unsupported'),
  };
  const begin = settled ?? from;
  const isInside = (cut: string): boolean =>
    (begin === null || compareKeys(cut, begin) > 0) && (to === null || compareKeys(cut, to) < 0);
  const cuts = expected?.cuts.filter(isInside) ?? [];
  const each = expected === null || cuts.length === 0 ? null : expected.items / (expected.cuts.length + 1);
  const open = [begin, ...cuts].map((bound, at): Stretch => {
    const isFirst = at === 0;
    const counts = isFirst ? rest : NOTHING;
    const state = isFirst && row.is_held ? 'listing' : 'waiting';
    return { from: bound, to: cuts[at] ?? to, state: worst(counts, state), ...counts, weight: each, isExact: false };
  });
  return [...done, ...open];
}

const NOTHING = { items: 0, failed: 0, unsupported: 0 };

/** As finely as its commits say; as one where they do not account for all of it. */
function settledOf(
  { items, failed, unsupported, shares, state }: Row,
  from: string | null,
  to: string | null,
): Stretch[] {
  const known = (shares ?? []).flatMap(sharesFromText);
  const sum = known.reduce((all, one) => all + one.items, 0);
  if (known.length === 0 || sum > items || (state === 'done' && sum < items)) {
    const counts = { items, failed, unsupported };
    return [{ from, to, state: worst(counts, 'done'), ...counts, weight: items, isExact: true }];
  }
  return known.map(({ from: first, ...counts }, at) => {
    const bounds = { from: at === 0 ? from : first, to: known[at + 1]?.from ?? to };
    return { ...bounds, state: worst(counts, 'done'), ...counts, weight: counts.items, isExact: true };
  });
}

function worst({ failed, unsupported }: typeof NOTHING, state: MapCell['state']): MapCell['state'] {
  if (failed > 0) return 'failed';
  return unsupported > 0 ? 'issues' : state;
}

/** What nothing is known of has an equal part of what is expected beside the rest; else as much as is settled. */
function weighed(stretches: readonly Stretch[], expected: number | null): readonly Stretch[] {
  const unknown = stretches.filter(({ weight }) => weight === null).length;
  if (unknown === 0) return stretches;
  const known = stretches.reduce((sum, { weight }) => sum + (weight ?? 0), 0);
  const left = Math.max(expected === null ? known : expected - known, unknown);
  return stretches.map((one) => (one.weight === null ? { ...one, weight: left / unknown } : one));
}

/** So many cells at most, of about equal weight where stretches can be put together so. */
export function cellsOf(stretches: readonly Stretch[], cells: number): readonly MapCell[] {
  const sum = stretches.reduce((all, { weight }) => all + (weight ?? 0), 0);
  if (stretches.length === 0 || cells < 1) return [];
  // Where there is nothing at all, each is as wide as the others.
  const weightOf = ({ weight }: Stretch): number => (sum === 0 ? 1 : (weight ?? 0));
  const total = sum === 0 ? stretches.length : sum;
  const made: MapCell[] = [];
  let [held, heldWeight, passed, begun]: [Stretch[], number, number, number] = [[], 0, 0, 0];
  for (const [at, stretch] of stretches.entries()) {
    held.push(stretch);
    heldWeight += weightOf(stretch);
    passed += weightOf(stretch);
    const isLast = at === stretches.length - 1;
    const reached = Math.floor((passed / total) * cells + 1e-9);
    if (!isLast && (reached <= begun || made.length === cells - 1)) continue;
    made.push(joined(held, heldWeight / total));
    [held, heldWeight, begun] = [[], 0, reached];
  }
  return made;
}

const TELLING: readonly MapCell['state'][] = ['failed', 'issues', 'listing', 'waiting', 'done'];

function joined(stretches: readonly Stretch[], share: number): MapCell {
  const sum = (member: 'items' | 'failed' | 'unsupported'): number =>
    stretches.reduce((all, one) => all + one[member], 0);
  const state = TELLING.find((one) => stretches.some((stretch) => stretch.state === one)) as MapCell['state'];
  const [first, last] = [stretches[0] as Stretch, stretches.at(-1) as Stretch];
  return {
    from: first.from,
    to: last.to,
    share: Math.round(share * 1e6) / 1e6,
    isExact: stretches.every(({ isExact }) => isExact),
    state,
    items: sum('items'),
    failed: sum('failed'),
    unsupported: sum('unsupported'),
  };
}
