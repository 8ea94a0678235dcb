/**
 * What a run shows while workers are at it: sums over its segments, and one picture put together from what each worker
 * said last. Any process may ask for it at any time; a row is refreshed at most about once a second, by whoever is
 * first, and nobody waits for anybody.
 */
import { sql, type RawBuilder } from 'kysely';
import { addCounters, ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import type { RunLive, WaitReason } from '../entities.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { IS_HELD } from '../runs/store-rows.ts';
import { FINAL_SUMS } from '../runs/store-runs.ts';
import type { WorkerProgress } from './participation.ts';
import type { DispatchWorld } from './parts.ts';

const FRESH_MS = 5_000;
const SHOWN_MAX = 8;
/** A forecast from speeds that were watched for less than this is only a guess. */
const SETTLED_SPEED_MS = 60_000;

const PHASES: readonly RunLive['phase'][] = ['starting', 'copying', 'names', 'deleting', 'settling', 'ended'];
/** What is worth knowing first. */
const LIMITS: readonly RunLive['limitedBy']['kind'][] = ['target', 'source', 'bandwidth', 'cpu', 'listing'];

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
  readonly now: Date;
  readonly unclaimed: number;
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
    sql<RunRowNow>`
      SELECT runs.live, runs.waits, source.name AS source, target.name AS target, clock_timestamp() AS now,
        (SELECT count(*)::integer FROM segments WHERE segments.run_id = runs.id AND segments.state = 'open'
          AND segments.kind = 'keys' AND ${IS_HELD} IS NOT TRUE) AS unclaimed
      FROM runs LEFT JOIN connectors AS source ON source.id = runs.source_connector_id
        LEFT JOIN connectors AS target ON target.id = runs.target_connector_id
      WHERE runs.id = ${runId} AND runs.state IN ('running', 'pausing', 'cancelling')
        AND ${isOlder(olderThanMs)}`.execute(world.db),
  );
  return rows[0];
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
  const elapsedMs = Math.max(...told.map((one) => one.elapsedMs));
  const kind = LIMITS.find((limit) => told.some((one) => one.limitedBy === limit)) ?? 'none';
  const since = run.live?.limitedBy.kind === kind ? run.live.limitedBy.since : run.now.toISOString();
  const ranks = told.map((one) => PHASES.indexOf(one.phase)).filter((rank) => rank < PHASES.length - 1);
  return {
    phase: PHASES[ranks.length === 0 ? PHASES.length - 1 : Math.max(...ranks)] as RunLive['phase'],
    uncommitted: told.reduce((all, one) => addCounters(all, one.uncommitted), ZERO_COUNTERS),
    ...known,
    listingComplete,
    bytesPerSecondMean: sum((one) => one.bytesPerSecondMean),
    remaining: listingComplete ? remainingOf(known, elapsedMs) : null,
    limitedBy: { kind, text: limitText(kind, run), since },
    current: told
      .flatMap((one) => one.current)
      .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, SHOWN_MAX),
    workers: workers.map(({ worker_id: id, name, segments }) => ({ id, name, segments })),
  };
}

/** By bytes and by items, whichever is slower, with room for both being wrong. */
function remainingOf(
  { pendingItems, pendingBytes, bytesPerSecond, itemsPerSecond }: Record<string, number>,
  elapsedMs: number,
): RunLive['remaining'] {
  const bytes = bytesPerSecond ?? 0;
  const items = itemsPerSecond ?? 0;
  if (bytes <= 0 && items <= 0) return null;
  const byBytes = bytes > 0 ? (pendingBytes ?? 0) / bytes : 0;
  const byItems = items > 0 ? (pendingItems ?? 0) / items : 0;
  const middleMs = Math.max(byBytes, byItems) * 1_000;
  const isSettled = elapsedMs >= SETTLED_SPEED_MS;
  const [low, high] = isSettled ? [0.7, 1.5] : [0.4, 3];
  return {
    lowMs: Math.round(middleMs * low),
    highMs: Math.round(middleMs * high),
    confidence: isSettled ? 'high' : 'medium',
  };
}

function limitText(kind: RunLive['limitedBy']['kind'], { source, target }: RunRowNow): string {
  switch (kind) {
    case 'source':
      return `The source "${source}" asks for fewer requests. Drover slows down by itself; ask its owner for a higher limit to go faster.`;
    case 'target':
      return `The target "${target}" asks for fewer requests. Drover slows down by itself; ask its owner for a higher limit to go faster.`;
    case 'bandwidth':
      return "The job's bandwidth timetable holds it back. Change the timetable to go faster.";
    case 'cpu':
      return 'The processor of a worker is busy all the time. Start another worker on another machine to go faster.';
    case 'listing':
      return 'Objects are still being listed and none is waiting to be copied. Nothing needs to be done.';
    default:
      return 'Nothing in particular: network and stores give what they can.';
  }
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
