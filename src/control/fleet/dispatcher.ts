/**
 * Moves runs on from state to state. Every process runs it; each step is one idempotent statement or a short
 * transaction, so that it does not matter who does it, how many try, and where somebody died in between.
 */
import { sql } from 'kysely';
import type { WaitReason } from '../entities.ts';
import { fromDatabase, inDatabase } from '../runs/database-errors.ts';
import { IS_HELD, UNCHANGED_MS } from '../runs/store-rows.ts';
import { changeState, changeWaits } from '../runs/transitions.ts';
import type { Db } from '../world.ts';
import { refreshRun } from './aggregate.ts';
import { wantSweep } from './cancelling.ts';
import { Knowing } from './knowing.ts';
import { noteInLog, type DispatchWorld } from './parts.ts';
import { giveOutPlaces } from './queue.ts';
import { sayLost } from './run-log.ts';
import { fullAmong } from './transfers.ts';
import { atTransfers } from './wait-reasons.ts';

interface ActiveRow {
  readonly id: string;
  readonly state: string;
  readonly waits: WaitReason | null;
  /** Segments in the hands of workers that live. */
  readonly leases: number;
  readonly workers: number;
  readonly waited_ms: number;
  readonly health: string | null;
  /**
   * Nobody knows whose fault it was; one of its connectors was authorized anew, or tested well, since. What a server wrote
   * whose clock is ahead counts once its time has come: else it would be so after each new pause, too.
   */
  readonly is_renewed: boolean;
}

const NO_WORKER: WaitReason = {
  kind: 'no-worker',
  text: 'No worker is there to do it. Start one with "drover worker"; the run goes on by itself then.',
  runId: null,
  connectorId: null,
};

const NOBODY_FREE: WaitReason = {
  kind: 'workers-busy',
  text: 'No worker has room for it just now; it goes on by itself as soon as one has.',
  runId: null,
  connectorId: null,
};

/** A run that is at work and says nothing for so long is looked at from here. */
const STALE_MS = 5_000;

export class Dispatcher {
  readonly #world: DispatchWorld;
  readonly #stop = new AbortController();
  #wake: AbortController | null = null;
  #isWoken = false;
  readonly #knowing: Knowing;
  #loop: Promise<void> = Promise.resolve();
  #unlisten: () => void = () => undefined;

  constructor(world: DispatchWorld) {
    this.#world = world;
    this.#knowing = new Knowing(world);
  }

  start(): void {
    this.#unlisten = this.#world.bus.listen((topic) => {
      if (topic === 'work' || topic === 'connector' || topic === 'worker') this.#wakeUp();
    });
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#unlisten();
    this.#stop.abort();
    this.#wake?.abort();
    await this.#loop;
  }

  /** One round; true while there is something to come back for soon. */
  async tick(): Promise<boolean> {
    try {
      return await this.#tick();
    } catch (thrown) {
      this.#knowing.lost();
      throw thrown;
    }
  }

  async #tick(): Promise<boolean> {
    const world = this.#world;
    await this.#knowing.look();
    const { knownMs, wasAway } = this.#knowing;
    const isSure = knownMs >= world.timing.goneAfterMs;
    if (isSure) await markGone(world);
    const active = await readActive(world);
    const isSeen = active.length === 0 || (await countWorkers(world)) > 0;
    const fleet = { hasWorkers: isSeen || (wasAway && !isSure), knownMs };
    for (const run of active) await moveOn(world, run, fleet);
    if (active.some(({ state }) => state !== 'paused')) await giveOutPlaces(world);
    return active.some(({ state }) => state !== 'paused');
  }

  async #run(): Promise<void> {
    const { timing, log } = this.#world;
    let isBusy = true;
    while (!this.#stop.signal.aborted) {
      try {
        isBusy = await this.tick();
      } catch (thrown) {
        const error = fromDatabase(thrown);
        log('warn', 'Runs could not be moved on just now.', { code: error.code, reason: error.message });
      }
      await this.#pause(isBusy ? timing.tickEveryMs : timing.tickIdleMs);
    }
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake?.abort();
  }

  /** Woken, it still rests a little, so that many messages make one round. */
  async #pause(delayMs: number): Promise<void> {
    const { clock, timing } = this.#world;
    const wake = new AbortController();
    this.#wake = wake;
    if (!this.#isWoken) {
      await clock.sleep(delayMs, AbortSignal.any([wake.signal, this.#stop.signal])).catch(() => undefined);
    }
    this.#wake = null;
    if (this.#isWoken) await clock.sleep(timing.tickEveryMs / 20, this.#stop.signal).catch(() => undefined);
    this.#isWoken = false;
  }
}

interface FleetNow {
  /** As far as can be said now; right after the database was away they are there. */
  readonly hasWorkers: boolean;
  /** For so long whoever lives could say so. */
  readonly knownMs: number;
}

/** Of those that are queued one stands for all: nothing is done here but giving out places, and there may be very many. */
async function readActive({ db, timing }: DispatchWorld): Promise<readonly ActiveRow[]> {
  const { rows } = await inDatabase(() =>
    sql<ActiveRow>`
      SELECT runs.id, runs.state, runs.waits, connectors.health,
        (SELECT count(*)::integer FROM segments WHERE segments.run_id = runs.id AND ${IS_HELD}) AS leases,
        (SELECT count(*)::integer FROM run_workers WHERE run_workers.run_id = runs.id AND run_workers.left_at IS NULL
          AND run_workers.seen_at > clock_timestamp() - ${timing.leaseValidMs} * interval '1 millisecond') AS workers,
        ${UNCHANGED_MS} AS waited_ms,
        runs.waits ->> 'kind' = 'attention' AND connectors.id IS NULL AND EXISTS (SELECT FROM connectors AS own
          WHERE own.id IN (runs.source_connector_id, runs.target_connector_id) AND own.health <> 'needs-attention'
            AND greatest(own.updated_at, own.checked_at) > runs.updated_at
            AND greatest(own.updated_at, own.checked_at) <= clock_timestamp()) AS is_renewed
      FROM (
        SELECT id, state, waits, updated_at, source_connector_id, target_connector_id FROM runs WHERE state IN ('running', 'pausing', 'cancelling')
          OR (state = 'paused' AND waits ->> 'kind' = 'attention')
        UNION ALL (SELECT id, state, waits, updated_at, source_connector_id, target_connector_id FROM runs WHERE state = 'queued' LIMIT 1)
      ) AS runs LEFT JOIN connectors ON connectors.id = (runs.waits ->> 'connectorId')::uuid`.execute(db),
  );
  return rows;
}

/** Who leaves begins nothing any more. */
async function countWorkers({ db, timing }: DispatchWorld): Promise<number> {
  const { rows } = await inDatabase(() =>
    sql<{ workers: number }>`SELECT count(*)::integer AS workers FROM workers
      WHERE state = 'active' AND seen_at > clock_timestamp() - ${timing.goneAfterMs} * interval '1 millisecond'`.execute(
      db,
    ),
  );
  return rows[0]?.workers ?? 0;
}

/** Its leases run out by themselves; this is for those who look at the fleet. Who was told to leave has left. */
async function markGone(world: DispatchWorld): Promise<void> {
  const { db, bus, timing } = world;
  const { rows } = await inDatabase(() =>
    sql<{ id: string }>`UPDATE workers SET state = 'gone',
        left_at = CASE WHEN state = 'draining' THEN clock_timestamp() END
      WHERE state <> 'gone' AND seen_at < clock_timestamp() - ${timing.goneAfterMs} * interval '1 millisecond'
      RETURNING id`.execute(db),
  );
  for (const { id } of rows) {
    await sayLost(world, id);
    await bus.tell('worker', id);
  }
}

async function moveOn(world: DispatchWorld, run: ActiveRow, { hasWorkers, knownMs }: FleetNow): Promise<void> {
  switch (run.state) {
    case 'pausing':
      if (run.leases === 0) await settlePause(world, run);
      return;
    case 'cancelling':
      // A worker takes away first what the run has left at its target; without one that does, it ends all the same.
      if (run.leases === 0 && Math.min(run.waited_ms, knownMs) >= patienceMs(world, hasWorkers))
        await cancelUnswept(world, run.id);
      return;
    case 'paused':
      await goOnWhenMended(world, run);
      return;
    case 'running':
      await sayWhoIsMissing(world, run, hasWorkers);
      await refreshRun(world, run.id, STALE_MS);
      return;
    default:
  }
}

function patienceMs({ timing }: DispatchWorld, hasWorkers: boolean): number {
  return hasWorkers ? timing.goneAfterMs + 2 * timing.sweepMsMax : timing.goneAfterMs;
}

async function sayWhoIsMissing(world: DispatchWorld, run: ActiveRow, hasWorkers: boolean): Promise<void> {
  const { db, bus, timing } = world;
  const isSaid = run.waits?.kind === 'no-worker' || run.waits?.kind === 'workers-busy' || run.waits?.kind === 'limit';
  let waits: WaitReason | null = null;
  if (run.workers === 0 && !hasWorkers) waits = NO_WORKER;
  // Joining takes a moment, and so does trying again.
  else if (run.workers === 0 && (isSaid || run.waited_ms > timing.leaseValidMs)) waits = await whyNobody(db, run.id);
  if (waits === null ? !isSaid : run.waits !== null && !isSaid) return;
  await changeWaits(db, bus, run.id, ['running'], waits);
}

async function whyNobody(db: Db, runId: string): Promise<WaitReason> {
  const full = (await fullAmong(db, [runId])).get(runId);
  if (full === undefined || full.connectorId === null || full.name === null) return NOBODY_FREE;
  return atTransfers(full.connectorId, { name: full.name, most: full.most });
}

/** For the reason that it has at that moment: whoever has resumed it meanwhile may have paused it again. */
async function settlePause(world: DispatchWorld, { id }: ActiveRow): Promise<void> {
  const { db, bus } = world;
  await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const row = await tx.selectFrom('runs').select('waits').where('id', '=', id).forNoKeyUpdate().executeTakeFirst();
      const waits = (row?.waits ?? null) as WaitReason | null;
      await changeState(tx, bus, id, { from: ['pausing'], to: 'paused', waits });
    }),
  );
}

/** Also what could not be reached, after a while: networks come back without anybody telling us. */
async function goOnWhenMended(world: DispatchWorld, run: ActiveRow): Promise<void> {
  const { db, bus, timing } = world;
  // What lies beside both connectors (the artifacts) has no health that could tell; either of them may have been it.
  const isMended = run.health === null ? run.is_renewed : run.health !== 'needs-attention';
  if (!isMended && run.waited_ms < timing.reachAgainMs) return;
  if (!isMended && run.waits?.text.includes(TRIED_AGAIN) !== true) return;
  // Only tried again, it keeps its error: should it be the same one, nobody is told a second time.
  const change = isMended ? { error: null } : {};
  const has = await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      // A person may have paused it in this moment: then it waits for a person.
      const { rows } = await sql`SELECT FROM runs WHERE id = ${run.id} AND waits ->> 'kind' = 'attention'
        FOR NO KEY UPDATE`.execute(tx);
      if (rows.length === 0) return false;
      return changeState(tx, bus, run.id, { from: ['paused'], to: 'queued', ...change });
    }),
  );
  const words = isMended ? 'The run goes on: its connector is well again.' : 'The run tries again.';
  if (has) await noteInLog(world, run.id, 'info', words, 'GOES_ON');
}

/** Stands in the reason of runs that go on by themselves. */
export const TRIED_AGAIN = 'It is tried again by itself every few minutes.';

async function cancelUnswept(world: DispatchWorld, runId: string): Promise<void> {
  const { db, bus } = world;
  const has = await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      if (!(await changeState(tx, bus, runId, { from: ['cancelling'], to: 'cancelled' }))) return false;
      await wantSweep(tx, runId);
      return true;
    }),
  );
  if (!has) return;
  const message =
    'No worker was there to look at the target: until one is, unfinished uploads and temporary objects of this run may remain there.';
  await noteInLog(world, runId, 'warn', message, 'LEFTOVERS');
}
