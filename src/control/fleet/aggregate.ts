/**
 * What a run shows while workers are at it: sums over its segments, and one picture put together from what each worker
 * said last. Any process may ask for it at any time; a row is refreshed at most about once a second, by whoever is
 * first, and nobody waits for anybody.
 */
import { sql, type RawBuilder } from 'kysely';
import { addCounters, ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import type { RunLive, WaitReason } from '../entities.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { keptExpectation } from '../runs/expectation.ts';
import { IS_HELD, keyOrNull, SUMMED_COUNTERS } from '../runs/store-rows.ts';
import { FINAL_SUMS } from '../runs/store-runs.ts';
import { forecastOf, type KeptExpectation, type Passed } from './forecast.ts';
import { limitText, type SetLimit } from './limit-text.ts';
import type { WorkerProgress } from './participation.ts';
import type { DispatchWorld } from './parts.ts';

const FRESH_MS = 5_000;
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
  readonly progress: WorkerProgress | null;
  readonly segments: number;
}

/** As it is kept: the sums beside it are the run's own. */
export type KeptLive = Omit<RunLive, 'counters'> & { readonly uncommitted: Counters };

interface RunRowNow {
  readonly live: KeptLive | null;
  readonly waits: WaitReason | null;
  readonly source: string;
  readonly target: string;
  readonly source_id: string;
  readonly target_id: string;
  readonly now: Date;
  readonly unclaimed: number;
  /** What is committed. */
  readonly committed: Counters;
  readonly expected: KeptExpectation | null;
  /** Before it was paused. */
  readonly percent_shown: number | null;
  /** Read only where it can be compared with what was expected. */
  readonly passed: readonly Passed[];
}

/** Brings the run's row up to date when it is older than that; true when this call did it. */
export async function refreshRun(world: DispatchWorld, runId: string, olderThanMs: number): Promise<boolean> {
  const { db, bus } = world;
  const run = await readRunNow(world, runId, olderThanMs);
  if (run === undefined) return false;
  const workers = await readWorkers(world, runId);
  // Nobody is at it, and that shows already.
  if (workers.length === 0 && run.live === null) return false;
  const live = liveOf(workers, run);
  const waits = waitsOf(workers, run);
  const { rows } = await inDatabase(() =>
    sql`UPDATE runs SET live = ${live === null ? null : JSON.stringify(live)}::jsonb, ${FINAL_SUMS},
        waits = CASE WHEN state = 'running' THEN ${waits === null ? null : JSON.stringify(waits)}::jsonb ELSE waits END,
        updated_at = clock_timestamp()
      WHERE id = (SELECT id FROM runs WHERE id = ${runId} AND state IN ('running', 'pausing', 'cancelling')
        AND ${isOlder(olderThanMs)} FOR UPDATE SKIP LOCKED)
      RETURNING id`.execute(db),
  );
  if (rows.length > 0) await bus.tell('run', runId);
  return rows.length > 0;
}

async function readRunNow(world: DispatchWorld, runId: string, olderThanMs: number): Promise<RunRowNow | undefined> {
  const { rows } = await inDatabase(() =>
    sql<Omit<RunRowNow, 'expected' | 'passed'> & { readonly expected: string | null }>`
      SELECT runs.live, runs.waits, source.name AS source, target.name AS target,
        runs.source_connector_id AS source_id, runs.target_connector_id AS target_id, clock_timestamp() AS now,
        (SELECT count(*)::integer FROM segments WHERE segments.run_id = runs.id AND segments.state = 'open'
          AND segments.kind = 'keys' AND ${IS_HELD} IS NOT TRUE) AS unclaimed,
        (SELECT ${SUMMED_COUNTERS} FROM segments WHERE segments.run_id = runs.id) AS committed, runs.expected, runs.percent_shown
      FROM runs LEFT JOIN connectors AS source ON source.id = runs.source_connector_id
        LEFT JOIN connectors AS target ON target.id = runs.target_connector_id
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

async function readWorkers(world: DispatchWorld, runId: string): Promise<readonly WorkerRow[]> {
  const { rows } = await inDatabase(() =>
    sql<WorkerRow>`
      SELECT run_workers.worker_id, workers.name, run_workers.progress,
        (SELECT count(*)::integer FROM segments WHERE segments.run_id = run_workers.run_id
          AND segments.worker_id = run_workers.worker_id AND ${IS_HELD}) AS segments
      FROM run_workers JOIN workers ON workers.id = run_workers.worker_id
      WHERE run_workers.run_id = ${runId} AND run_workers.left_at IS NULL
        AND run_workers.seen_at > clock_timestamp() - ${FRESH_MS} * interval '1 millisecond'
      ORDER BY run_workers.joined_at`.execute(world.db),
  );
  return rows;
}

/** The sum over all workers; `null` while none has said anything. */
export function liveOf(workers: readonly WorkerRow[], run: RunRowNow): KeptLive | null {
  const told = workers.flatMap(({ progress }) => (progress === null ? [] : [progress]));
  if (told.length === 0) return null;
  const sum = (member: (one: WorkerProgress) => number): number => told.reduce((all, one) => all + member(one), 0);
  const listingComplete = run.unclaimed === 0 && told.every((one) => one.listingComplete);
  const known = {
    pendingItems: sum((one) => one.pendingItems),
    pendingBytes: sum((one) => one.pendingBytes),
    bytesPerSecond: sum((one) => one.bytesPerSecond),
    itemsPerSecond: sum((one) => one.itemsPerSecond),
  };
  const uncommitted = told.reduce((all, one) => addCounters(all, one.uncommitted), ZERO_COUNTERS);
  const { items, bytes } = addCounters(run.committed, uncommitted);
  const speeds = {
    bytesPerSecondMean: sum((one) => one.bytesPerSecondMean),
    itemsPerSecondMean: sum((one) => one.itemsPerSecondMean ?? one.itemsPerSecond),
  };
  const forecast = forecastOf({
    ...known,
    ...speeds,
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
    uncommitted,
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
function waitsOf(workers: readonly WorkerRow[], { waits }: RunRowNow): WaitReason | null {
  const told = workers.flatMap(({ progress }) => (progress === null ? [] : [progress]));
  if (told.length > 0 && told.every((one) => one.isPausedByTimetable)) {
    const text = "The job's bandwidth timetable allows nothing at this hour; the run goes on when it does again.";
    return { kind: 'bandwidth', text, runId: null, connectorId: null };
  }
  // Somebody is at it again.
  if (told.length > 0) return null;
  return waits;
}
