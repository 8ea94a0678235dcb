/** One worker's part in one run, from opening both ends to saying how it went. */
import { sql } from 'kysely';
import type { Progress, SegmentProgress, Tuning } from '../../engine/definition.ts';
import type { SideName } from '../../engine/denials.ts';
import { noteSide, sideOf } from '../../engine/failure-facts.ts';
import type { RequestCounts } from '../../engine/ports.ts';
import { MIB } from '../../engine/limits.ts';
import { runTransfer } from '../../engine/run.ts';
import type { HeldBack } from '../../engine/world.ts';
import { rateAt } from '../../engine/timetable.ts';
import { withFields } from '../../lib/log.ts';
import { DroverError, toDroverError, type Failure } from '../../model/errors.ts';
import { newId } from '../ids.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { sumAgain } from '../runs/store-runs.ts';
import { WAITS_NO_MORE } from '../runs/store-workers.ts';
import type { PostgresRunStore } from '../runs/store.ts';
import type { LeaseWatcher } from '../runs/watching.ts';
import { explained, openEnds, readRunToOpen, requestsOf, Side, type RunToOpen, type Sides } from './ends.ts';
import type { SetLimit } from './limit-text.ts';
import { sayJoined, sayLeft } from './run-log.ts';
import type { FleetWorld } from './parts.ts';
import type { Shares } from './shares.ts';

/** What a worker tells of its part, once a second; kept in `run_workers.progress`. */
export type WorkerProgress = Pick<
  Progress,
  | 'phase'
  | 'elapsedMs'
  | 'bytesPerSecond'
  | 'itemsPerSecond'
  | 'bytesPerSecondMean'
  | 'itemsPerSecondMean'
  | 'limitedBy'
  | 'current'
> & {
  readonly isPausedByTimetable: boolean;
  readonly segments: readonly SegmentProgress[];
  /** That holds it back, where that is what `limitedBy` says. */
  readonly limit?: SetLimit | null;
};

export interface Ending {
  /** `null`: the run has ended, or this part was told to stop. */
  readonly error: DroverError | null;
  readonly side: SideName | null;
  /** Grows when items were settled. */
  readonly scanned: number;
}

export type UsedConnector = Pick<Side, 'connectorId' | 'version'>;

export interface PartOptions {
  readonly world: FleetWorld;
  readonly store: PostgresRunStore;
  readonly workerId: string;
  readonly shares: Shares;
  readonly runId: string;
  /** Bytes of content this run may hold in memory now. */
  readonly bytesInFlightMax: () => number;
  readonly segmentsMax: number;
  /** How busy this process is, from 0 to 1. */
  readonly load: () => number;
}

/** Counts what was settled and taken over for the connectors of the run it was for. */
export function countingOf(
  { traffic }: Pick<FleetWorld, 'traffic'>,
  partOf: (runId: string) => Participation | undefined,
): LeaseWatcher {
  return {
    claimed({ runId }, _kind, isTakeover) {
      const [source] = partOf(runId)?.connectorIds ?? [];
      if (source !== undefined && isTakeover) traffic.add(source, 'takeovers', 'source', 'leases');
    },
    committed({ runId }, added) {
      const [source, target] = partOf(runId)?.connectorIds ?? [];
      if (source !== undefined && target !== undefined) traffic.settled({ source, target }, added);
    },
    left: () => undefined,
  };
}

const BYTES_IN_FLIGHT_LEAST = 4 * MIB;

export class Participation {
  readonly runId: string;
  readonly #options: PartOptions;
  readonly #stopper = new AbortController();
  #run: RunToOpen | null = null;
  #sides: Sides | null = null;
  #progress: Progress | null = null;
  #stoppedAtMs: number | null = null;
  #revisions = new Map<string, string | null>();
  /** What the engine has put on the run's bill. */
  #recorded: RequestCounts = { source: {}, target: {} };
  readonly done: Promise<Ending>;

  constructor(options: PartOptions) {
    this.runId = options.runId;
    this.#options = options;
    this.done = this.#takePart();
  }

  /** `null` as long as the run was not read. */
  get jobId(): string | null {
    return this.#run?.jobId ?? null;
  }

  get connectorIds(): readonly string[] {
    return this.#run === null ? [] : [this.#run.sourceConnectorId, this.#run.targetConnectorId];
  }

  /** As this part has used it. */
  connectorOf(side: 'source' | 'target' | null): UsedConnector | null {
    return side === null ? null : (this.#sides?.[side] ?? null);
  }

  /** Destroys what is under way through the signal; what was settled is committed as far as that is still possible. */
  stop(reason: DroverError): void {
    if (this.#stopper.signal.aborted) return;
    this.#stoppedAtMs = this.#options.world.clock.monotonic();
    this.#stopper.abort(reason);
  }

  /** Told to stop so long ago that it should have. */
  get isOverdue(): boolean {
    const { clock, timing } = this.#options.world;
    return this.#stoppedAtMs !== null && clock.monotonic() - this.#stoppedAtMs > timing.giveUpMs;
  }

  /** True when a connector was authorized anew since both ends were opened. */
  get isOutdated(): boolean {
    const { shares } = this.#options;
    for (const [id, revision] of this.#revisions) {
      const now = shares.revisionOf(id);
      if (now === null) continue;
      if (revision === null) this.#revisions.set(id, now);
      else if (revision !== now) return true;
    }
    return false;
  }

  /** It waits for somebody outside: for a side that is slow or asked to slow down, a limit, or the timetable. */
  get isHeldBack(): boolean {
    const { world, shares } = this.#options;
    const nowMs = world.clock.monotonic();
    const limit = this.#progress?.limitedBy;
    if (limit === 'source' || limit === 'target' || limit === 'bandwidth') return true;
    if (this.connectorIds.some((id) => shares.isHoldingBack(id))) return true;
    return this.#sides !== null && [this.#sides.source, this.#sides.target].some((side) => side.isThrottled(nowMs));
  }

  progress(): WorkerProgress | null {
    const progress = this.#progress;
    const sides = this.#sides;
    if (progress === null || sides === null) return null;
    const { world, runId, shares } = this.#options;
    const nowMs = world.clock.monotonic();
    const bandwidth = shares.bandwidth(runId);
    const rate = bandwidth === null ? null : rateAt(bandwidth, world.clock.now());
    let limitedBy = progress.limitedBy === 'bandwidth' && rate === null ? 'none' : progress.limitedBy;
    if (sides.source.isThrottled(nowMs)) limitedBy = 'source';
    else if (sides.target.isThrottled(nowMs)) limitedBy = 'target';
    const limit = limitedBy === 'limit' ? this.#limitOf(progress) : null;
    const { phase, segments = [], elapsedMs } = progress;
    const { bytesPerSecond, itemsPerSecond, bytesPerSecondMean, itemsPerSecondMean, current } = progress;
    const speeds = { bytesPerSecond, itemsPerSecond, bytesPerSecondMean, itemsPerSecondMean };
    const known = { phase, segments, elapsedMs, limitedBy, limit, current };
    return { ...known, ...speeds, isPausedByTimetable: rate === 0 };
  }

  /** Whose setting it is that holds it back. */
  #limitOf({ limit }: Progress): SetLimit | null {
    const { shares, runId } = this.#options;
    if (limit === undefined || this.#run === null) return null;
    const { sourceConnectorId, targetConnectorId } = this.#run;
    if (limit.what === 'requests' && limit.side !== null) {
      const id = limit.side === 'source' ? sourceConnectorId : targetConnectorId;
      return { what: 'requests', of: limit.side, most: shares.requestsPerSecond(id) };
    }
    const tightest = shares.tightestTransfers(runId, this.connectorIds);
    if (tightest === null) return null;
    const { connectorId, most } = tightest;
    const of = connectorId === null ? 'job' : connectorId === sourceConnectorId ? 'source' : 'target';
    return { what: 'transfers', of, most };
  }

  async #takePart(): Promise<Ending> {
    const { store, runId } = this.#options;
    let scanned = 0;
    try {
      const failure = await this.#work((items) => {
        scanned = items;
      });
      return { error: failure, side: accountOf(failure), scanned };
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (this.#stopper.signal.aborted) return { error: null, side: null, scanned };
      return { error, side: accountOf(error), scanned };
    } finally {
      this.#options.shares.leave(runId);
      await this.#leave(store, runId);
    }
  }

  async #work(onScanned: (items: number) => void): Promise<DroverError | null> {
    const { world, store, workerId, shares, runId, load } = this.#options;
    const { signal } = this.#stopper;
    const run = await readRunToOpen(world, runId);
    if (run === null) return null;
    this.#run = run;
    const sides = {
      source: new Side('source', run.sourceConnectorId),
      target: new Side('target', run.targetConnectorId),
    };
    this.#sides = sides;
    await this.#join();
    await sayJoined(world, runId, workerId);
    // Only now: whoever ends a run that nobody works on sees this worker, or this worker sees that it has ended.
    const record = await store.getRun(runId);
    if (record?.state !== 'running') return null;
    // Before anything is asked of either side: limits hold from the first request on.
    await shares.join(runId, this.connectorIds);
    for (const id of this.connectorIds) this.#revisions.set(id, shares.revisionOf(id));
    // Of an earlier part whose giving back was lost with the database.
    await store.releaseAll(runId, workerId);
    const cleanup = new AsyncDisposableStack();
    // What this part ended with counts, not what closing it says.
    await using _closing = { [Symbol.asyncDispose]: () => this.#close(cleanup) };
    const ends = await openEnds(world, run, sides, shares, cleanup, signal).catch(async (thrown: unknown) => {
      throw await explained(toDroverError(thrown), run, sides, signal);
    });
    const { clock, random, log, artifacts } = world;
    const result = await runTransfer(
      run.definition,
      ends,
      {
        clock,
        random,
        log: withFields(log, { run: runId }),
        store,
        artifacts,
        worker: workerId,
        requests: () => (this.#recorded = requestsOf(sides)),
        heldBack: () => this.#heldBack(sides),
        eventLoopUse: load,
        takeBandwidth: (bytes, signal) => shares.takeBandwidth(runId, bytes, signal),
        onRetry: (error) => {
          const { connectorId, name } = sides[sideOf(error) ?? 'source'];
          world.traffic.retried(connectorId, name, error.code);
        },
      },
      {
        runId,
        tuning: this.#tuning(),
        signal,
        onProgress: (progress) => {
          this.#progress = progress;
        },
        continueRun: record,
        isShared: true,
      },
    );
    onScanned(result.run.counters.items.scanned);
    if (result.run.endedAtMs !== null || result.interrupted || result.error === null) return null;
    return explained(errorOf(result.error, result.side), run, sides, signal);
  }

  async #close(cleanup: AsyncDisposableStack): Promise<void> {
    const { world, runId } = this.#options;
    await cleanup.disposeAsync().catch((error: unknown) => {
      world.log('debug', 'A worker could not close what it had opened for a run.', {
        run: runId,
        error: String(error),
      });
    });
  }

  #heldBack({ source, target }: Sides): HeldBack {
    const { world, shares } = this.#options;
    const nowMs = world.clock.monotonic();
    return {
      source: source.heldBack(nowMs),
      target: target.heldBack(nowMs),
      sourceRate: shares.waitingFor(source.connectorId),
      targetRate: shares.waitingFor(target.connectorId),
    };
  }

  /** Read live by the engine: shares change while workers come and go. */
  #tuning(): Tuning {
    const { shares, runId, bytesInFlightMax, segmentsMax } = this.#options;
    const connectorIds = (): readonly string[] => this.connectorIds;
    return {
      get transfersMax() {
        return shares.transfersMax(runId, connectorIds());
      },
      get bytesInFlightMax() {
        return Math.max(BYTES_IN_FLIGHT_LEAST, bytesInFlightMax());
      },
      segmentsMax,
      // Held back beside it: several runs may share one limit.
      bandwidth: null,
    };
  }

  async #join(): Promise<void> {
    const { world, workerId, runId } = this.#options;
    await inDatabase(() =>
      sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at)
        VALUES (${runId}, ${workerId}::uuid, clock_timestamp(), clock_timestamp())
        ON CONFLICT (run_id, worker_id) DO UPDATE SET joined_at = excluded.joined_at, seen_at = excluded.seen_at,
          shares_at = NULL, left_at = NULL, ${WAITS_NO_MORE},
          progress = NULL`.execute(world.db),
    );
  }

  /** Whatever the engine could not give back by itself is free again at once; without the database it runs out. */
  async #leave(store: PostgresRunStore, runId: string): Promise<void> {
    const { world, workerId } = this.#options;
    try {
      await store.releaseAll(runId, workerId);
      await this.#recordRest(store, runId);
      // Whoever ended the run could not know yet what this part has cost. Before it says that it left: then all is written.
      await inDatabase(() => sumAgain(world.db, runId));
      await inDatabase(() =>
        sql`UPDATE run_workers SET left_at = clock_timestamp(), progress = NULL, ${WAITS_NO_MORE}
          WHERE run_id = ${runId} AND worker_id = ${workerId}::uuid`.execute(world.db),
      );
      if (this.#sides !== null) await sayLeft(world, runId, workerId);
    } catch (error) {
      world.log('debug', 'A worker could not say that it left a run.', { run: runId, error: String(error) });
    }
  }

  /** What was asked before the engine began and after it had ended: openings that failed, looks at what is missing. */
  async #recordRest(store: PostgresRunStore, runId: string): Promise<void> {
    if (this.#sides === null) return;
    const now = requestsOf(this.#sides);
    const requests = {
      source: countsWithout(now.source, this.#recorded.source),
      target: countsWithout(now.target, this.#recorded.target),
    };
    if (Object.keys(requests.source).length + Object.keys(requests.target).length === 0) return;
    const session = `${this.#options.workerId}/${newId(this.#options.world)}`;
    await store.recordUsage(runId, session, { requests, activeMs: 0 });
  }
}

function countsWithout(all: Readonly<Record<string, number>>, counted: Readonly<Record<string, number>>) {
  const rest = Object.entries(all).map(([name, count]) => [name, count - (counted[name] ?? 0)] as const);
  return Object.fromEntries(rest.filter(([, count]) => count > 0));
}

/** The side whose account, or right, it is; a fault of the service says nothing about the connector. */
function accountOf(error: DroverError | null): SideName | null {
  const isAccount = error?.policy.scope === 'account' || error?.code === 'PERMISSION_DENIED';
  return isAccount ? sideOf(error) : null;
}

function errorOf({ code, message, field, remedy }: Failure, side: SideName | null): DroverError {
  const error = new DroverError(code, message, { field, remedy });
  if (side !== null) noteSide(error, side);
  return error;
}
