/**
 * What a run shows while workers are at it: sums over its segments, and one picture put together from what each worker
 * said last. Any process may ask for it at any time; a row is refreshed at most about once a second, by whoever is
 * first, and nobody waits for anybody.
 */
import { sql, type RawBuilder } from 'kysely';
import type { RunLive, WaitReason } from '../entities.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { keptExpectation } from '../runs/expectation.ts';
import { IS_HELD, keyOrNull, SUMMED_COUNTERS } from '../runs/store-rows.ts';
import { SUMS_OF_SESSIONS } from '../runs/store-runs.ts';
import { countedOf, IS_FRESH, openSegments, type Standing } from './counting.ts';
import { forecastOf, type KeptExpectation, type Passed } from './forecast.ts';
import { limitText, type SetLimit } from './limit-text.ts';
import type { WorkerProgress } from './participation.ts';
import type { DispatchWorld } from './parts.ts';
import { sayLimit, sayListed } from './run-log.ts';

const SHOWN_MAX = 8;

const PHASES: readonly RunLive['phase'][] = ['starting', 'copying', 'names', 'deleting', 'settling', 'ended'];
/** What is worth knowing first. */
const LIMITS: readonly RunLive['limitedBy']['kind'][] = [
  'target',
  'source',
  'bandwidth',
  'limit',
  'cpu',
  'link',
  'latency',
  'listing',
];

interface WorkerRow {
  readonly worker_id: string;
  readonly name: string;
  readonly progress: Omit<WorkerProgress, 'segments'> | null;
  readonly segments: number;
}

interface RunRowNow extends Standing {
  /** What was shown before. */
  readonly live: RunLive | null;
  /** Of the row, when it was read. */
  readonly sequence: string;
  readonly waits: WaitReason | null;
  readonly source: string;
  readonly target: string;
  readonly source_id: string;
  readonly target_id: string;
  readonly now: Date;
  readonly expected: KeptExpectation | null;
  /** Before it was paused. */
  readonly percent_shown: number | null;
  /** Read only where it can be compared with what was expected. */
  readonly passed: readonly Passed[];
  readonly workers: readonly WorkerRow[];
}

/**
 * Brings the run's row up to date when it is older than that; true when this call did it. All numbers are of one
 * moment, and are written only where the row is as it was then: whoever is late writes nothing.
 */
export async function refreshRun(world: DispatchWorld, runId: string, olderThanMs: number): Promise<boolean> {
  const { db, bus } = world;
  const run = await readRunNow(world, runId, olderThanMs);
  if (run === undefined) return false;
  // Nobody is at it, and that shows already.
  if (run.workers.length === 0 && run.live === null) return false;
  const live = liveOf(run);
  const waits = waitsOf(run);
  const { rows } = await inDatabase(() =>
    sql`UPDATE runs SET live = ${live === null ? null : JSON.stringify(live)}::jsonb,
        counters = ${JSON.stringify(run.committed)}::jsonb, ${SUMS_OF_SESSIONS}, sequence = sequence + 1,
        waits = CASE WHEN state = 'running' THEN ${waits === null ? null : JSON.stringify(waits)}::jsonb ELSE waits END,
        updated_at = clock_timestamp()
      WHERE id = (SELECT id FROM runs WHERE id = ${runId} AND state IN ('running', 'pausing', 'cancelling')
        AND sequence = ${run.sequence}::bigint AND ${isOlder(olderThanMs)} FOR UPDATE SKIP LOCKED)
      RETURNING id`.execute(db),
  );
  if (rows.length === 0) return false;
  await bus.tell('run', runId);
  if (live !== null) await sayChanges(world, runId, run, live);
  return true;
}

/** Only by whoever wrote the row: each change is seen once. */
async function sayChanges(world: DispatchWorld, runId: string, run: RunRowNow, live: RunLive): Promise<void> {
  if (live.listingComplete && run.live?.listingComplete === false) await sayListed(world, runId, live.counters);
  await sayLimit(world, runId, live.limitedBy, run.now);
}

async function readRunNow(world: DispatchWorld, runId: string, olderThanMs: number): Promise<RunRowNow | undefined> {
  const { rows } = await inDatabase(() =>
    sql<Omit<RunRowNow, 'expected' | 'passed'> & { readonly expected: string | null }>`
      SELECT runs.live, runs.waits, runs.sequence::text AS sequence, source.name AS source, target.name AS target,
        runs.source_connector_id AS source_id, runs.target_connector_id AS target_id, clock_timestamp() AS now,
        counted.committed, counted.keys, counted."openKeys", ${openSegments(sql`runs.id`)} AS open,
        ${workersOf(sql`runs.id`)} AS workers, runs.expected, runs.percent_shown
      FROM runs LEFT JOIN connectors AS source ON source.id = runs.source_connector_id
        LEFT JOIN connectors AS target ON target.id = runs.target_connector_id
        CROSS JOIN LATERAL (
          SELECT ${SUMMED_COUNTERS} AS committed, count(*) FILTER (WHERE kind = 'keys')::integer AS keys,
            count(*) FILTER (WHERE kind = 'keys' AND state = 'open')::integer AS "openKeys"
          FROM segments WHERE segments.run_id = runs.id) AS counted
      WHERE runs.id = ${runId} AND runs.state IN ('running', 'pausing', 'cancelling')
        AND ${isOlder(olderThanMs)}`.execute(world.db),
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const expected = keptExpectation(row.expected);
  const passed = (expected?.cuts.length ?? 0) > 0 ? await readPassed(world, runId) : [];
  return { ...row, expected, passed };
}

async function readPassed({ db }: DispatchWorld, runId: string): Promise<readonly Passed[]> {
  const { rows } = await inDatabase(() =>
    sql<{ from_key: Buffer | null; reached: Buffer | null; is_whole: boolean; items: number }>`
      SELECT from_key, CASE WHEN state = 'done' THEN to_key ELSE settled_key END AS reached, state = 'done' AS is_whole,
        (counters #>> '{items,scanned}')::float8 AS items
      FROM segments WHERE run_id = ${runId} AND kind = 'keys'`.execute(db),
  );
  return rows.map(({ from_key: from, reached, is_whole: isWhole, items }) => {
    return { from: keyOrNull(from), reached: keyOrNull(reached), isWhole, items };
  });
}

/** Also one from a time that has not come, since the clock was set back: it would show nothing new until then. */
function isOlder(ms: number): RawBuilder<boolean> {
  return sql<boolean>`(runs.updated_at <= clock_timestamp() - ${ms} * interval '1 millisecond'
    OR runs.updated_at > clock_timestamp() + interval '1 second')`;
}

/** Those who speak, as JSON. */
function workersOf(runId: RawBuilder<string>): RawBuilder<readonly WorkerRow[]> {
  return sql<readonly WorkerRow[]>`(
    SELECT coalesce(jsonb_agg(jsonb_build_object('worker_id', run_workers.worker_id, 'name', workers.name,
      'progress', run_workers.progress - 'segments',
      'segments', (SELECT count(*)::integer FROM segments WHERE segments.run_id = run_workers.run_id
        AND segments.worker_id = run_workers.worker_id AND ${IS_HELD})) ORDER BY run_workers.joined_at), '[]'::jsonb)
    FROM run_workers JOIN workers ON workers.id = run_workers.worker_id
    WHERE run_workers.run_id = ${runId} AND ${IS_FRESH})`;
}

/** The sum over all workers; `null` while none has said anything. */
export function liveOf(run: RunRowNow): RunLive | null {
  const { workers } = run;
  const told = workers.flatMap(({ progress }) => (progress === null ? [] : [progress]));
  if (told.length === 0) return null;
  const sum = (member: (one: WorkerRow['progress'] & object) => number): number =>
    told.reduce((all, one) => all + member(one), 0);
  const { counters, pendingItems, pendingBytes, listingComplete } = countedOf(run);
  const known = {
    pendingItems,
    pendingBytes,
    bytesPerSecond: sum((one) => one.bytesPerSecond),
    itemsPerSecond: sum((one) => one.itemsPerSecond),
  };
  const speeds = {
    bytesPerSecondMean: sum((one) => one.bytesPerSecondMean),
    itemsPerSecondMean: sum((one) => one.itemsPerSecondMean ?? one.itemsPerSecond),
  };
  const { items, bytes } = counters;
  const forecast = forecastOf({
    ...known,
    ...speeds,
    movingBytes: sum((one) => one.current.reduce((all, { doneBytes }) => all + doneBytes, 0)),
    settled: { items: items.scanned, sizeBytes: bytes.scanned, copiedBytes: bytes.copied },
    listingComplete,
    elapsedMs: Math.max(...told.map((one) => one.elapsedMs)),
    expected: run.expected,
    passed: run.passed,
    percentBefore: run.live?.percent ?? run.percent_shown,
  });
  const kind = LIMITS.find((limit) => told.some((one) => one.limitedBy === limit)) ?? 'none';
  const limit = told.find((one) => one.limitedBy === kind)?.limit ?? null;
  const since = run.live?.limitedBy.kind === kind ? run.live.limitedBy.since : run.now.toISOString();
  const ranks = told.map((one) => PHASES.indexOf(one.phase)).filter((rank) => rank < PHASES.length - 1);
  return {
    phase: PHASES[ranks.length === 0 ? PHASES.length - 1 : Math.max(...ranks)] as RunLive['phase'],
    counters,
    ...known,
    listingComplete,
    bytesPerSecondMean: speeds.bytesPerSecondMean,
    ...forecast,
    limitedBy: {
      kind,
      text: limitText({ ...run, ...known, kind, limit }),
      connectorId: connectorOf(run, kind, limit),
      since,
    },
    current: told
      .flatMap((one) => one.current)
      .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, SHOWN_MAX),
    workers: workers.map(({ worker_id: id, name, segments }) => ({ id, name, segments })),
  };
}

/** The one whose owner or whose limits stand in the way; `null`: none. */
function connectorOf(
  { source_id: source, target_id: target }: RunRowNow,
  kind: RunLive['limitedBy']['kind'],
  limit: SetLimit | null,
): string | null {
  const side = kind === 'limit' ? limit?.of : kind;
  return side === 'source' ? source : side === 'target' ? target : null;
}

/** While it runs: what a worker ran into that stands in the way of all is kept; what workers say now is said. */
function waitsOf({ workers, waits }: RunRowNow): WaitReason | null {
  const told = workers.flatMap(({ progress }) => (progress === null ? [] : [progress]));
  if (told.length > 0 && told.every((one) => one.isPausedByTimetable)) {
    const text = "The job's bandwidth timetable allows nothing at this hour; the run goes on when it does again.";
    return { kind: 'bandwidth', text, runId: null, connectorId: null };
  }
  // Somebody is at it again.
  if (told.length > 0) return null;
  return waits;
}
