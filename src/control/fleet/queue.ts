/** Gives places to runs: what was decided by `placing.ts`, carried out in one transaction. */
import { sql } from 'kysely';
import type { BandwidthTimetable } from '../../engine/definition.ts';
import { rateAt } from '../../engine/timetable.ts';
import type { WaitReason } from '../entities.ts';
import { LOCKS } from '../database/locks.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { BUSY_STATES } from '../runs/states.ts';
import { UNCHANGED_MS } from '../runs/store-rows.ts';
import { changeManyWaits, changeState } from '../runs/transitions.ts';
import type { Tx } from '../world.ts';
import { runsMaxOf } from './installation.ts';
import { isAlive } from './membership.ts';
import { noteInLog, type DispatchWorld } from './parts.ts';
import { placeRuns, type PlacedRun, type Placing } from './placing.ts';
import type { TransfersAllowed } from './wait-reasons.ts';

interface Row extends PlacedRun {
  readonly timetable_id: string | null;
  /** What the workers at it say. */
  readonly limited_by: string | null;
}

/** Queued runs looked at in one go: where there is a place, further back, for those in front may all wait for one target. */
const LOOKED_AT_MAX = 5_000;
/** Where there is none, so many are told why they wait. */
const LOOKED_AT_FULL_MAX = 500;
/** And of each pair of connectors so many, wherever they stand: a long queue of one hides no other. */
const LOOKED_AT_PER_PAIR = 3;

const CLOSED: WaitReason = {
  kind: 'bandwidth',
  text: "The job's bandwidth timetable allows nothing at this hour; the run goes on when it does again.",
  runId: null,
  connectorId: null,
};

/** Does nothing when another process is at it in this moment. Returns the runs that began. */
export async function giveOutPlaces(world: DispatchWorld): Promise<readonly string[]> {
  const { db } = world;
  const round = await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const [family, number] = LOCKS.queue;
      const lock = await sql<{ has: boolean }>`SELECT pg_try_advisory_xact_lock(${family}, ${number}) AS has`.execute(
        tx,
      );
      return lock.rows[0]?.has === true ? decide(world, tx) : null;
    }),
  );
  if (round === null) return [];
  for (const { id, words } of round.left) await noteInLog(world, id, 'info', words, 'WAITING');
  // There may be thousands: nothing waits for this that has begun.
  for (const id of round.said) await world.bus.tell('run', id);
  return round.started;
}

interface Round {
  readonly started: readonly string[];
  /** Wait for another reason than before. */
  readonly said: readonly string[];
  /** What those that gave their place back are told. */
  readonly left: readonly { readonly id: string; readonly words: string }[];
}

async function decide(world: DispatchWorld, tx: Tx): Promise<Round> {
  const runsMax = await runsMaxOf(tx, world.runsAtOnceMax);
  const busy = await readBusy(world, tx);
  const queued = await readQueued(world, tx, busy.length >= runsMax ? LOOKED_AT_FULL_MAX : LOOKED_AT_MAX);
  const closed = await closedTimetables(tx, [...busy, ...queued]);
  const left: { id: string; words: string }[] = [];
  const giveBack = async (id: string, waits: WaitReason): Promise<void> => {
    const has = await changeState(tx, world.bus, id, { from: ['running'], to: 'queued', waits });
    if (has) left.push({ id, words: `The run gives its place back. ${waits.text}` });
  };
  // Only one that is really held back by it: until then there may be much to list and to compare.
  const shut = busy.filter((run) => run.limited_by === 'bandwidth' && closed.has(run.timetable_id));
  for (const { id } of shut) await giveBack(id, CLOSED);
  const going = busy.filter((run) => !shut.includes(run));
  if (queued.length === 0 && going.length <= runsMax) return { started: [], said: [], left };
  const places = {
    runsMax,
    room: await readRoom(world, tx),
    aloneMs: world.timing.leaseValidMs,
    transfers: await readTransfers(tx),
  };
  const placing = placeRuns(going, queued, places, haltedOf(world, queued, closed));
  for (const id of placing.back) await giveBack(id, placing.waits.get(id) as WaitReason);
  return { ...(await carryOut(world, tx, queued, placing)), left };
}

async function carryOut(
  world: DispatchWorld,
  tx: Tx,
  queued: readonly Row[],
  placing: Placing,
): Promise<Pick<Round, 'started' | 'said'>> {
  const { bus } = world;
  const started: string[] = [];
  const waitsOf = new Map(queued.map(({ id, waits }) => [id, waits]));
  for (const id of placing.start) {
    // Kept until somebody is at it again: a disk that is still full is not told of once more.
    const waits = waitsOf.get(id)?.kind === 'disk' ? { waits: waitsOf.get(id) ?? null } : {};
    if (await changeState(tx, bus, id, { from: ['queued'], to: 'running', ...waits })) started.push(id);
  }
  const reasons = new Map<string, WaitReason>();
  for (const { id, waits: before } of queued) {
    const reason = placing.waits.get(id);
    if (reason === undefined || (before?.text === reason.text && before.runId === reason.runId)) continue;
    reasons.set(id, reason);
  }
  return { started, said: await changeManyWaits(tx, ['queued'], reasons) };
}

/** What stands still for a reason of its own: it would take a place and do nothing with it. */
function haltedOf(
  { timing }: DispatchWorld,
  queued: readonly Row[],
  closed: ReadonlySet<string | null>,
): ReadonlyMap<string, WaitReason> {
  const halted = new Map<string, WaitReason>();
  for (const { id, waits, timetable_id: timetableId, waited_ms: waitedMs } of queued) {
    if (waits?.kind === 'bandwidth' && closed.has(timetableId)) halted.set(id, waits);
    // Whether there is room again shows only by trying.
    if (waits?.kind === 'disk' && waitedMs < timing.againMsMax) halted.set(id, waits);
  }
  return halted;
}

const COLUMNS = sql`runs.id, runs.number, jobs.name AS job, runs.state, runs.source_connector_id, runs.target_connector_id,
  runs.target_fingerprint, runs.target_container, runs.target_prefix, runs.waits, jobs.timetable_id,
  runs.live -> 'limitedBy' ->> 'kind' AS limited_by,
  ${UNCHANGED_MS} AS waited_ms, runs.live -> 'limitedBy' ->> 'connectorId' AS held_back_by,
  coalesce(runs.live -> 'limitedBy' ->> 'kind' IN ('source', 'target', 'bandwidth', 'limit'), false) AS is_held_back`;

const workersOf = ({ timing }: DispatchWorld) => sql`(SELECT count(*)::integer FROM run_workers
  WHERE run_workers.run_id = runs.id AND run_workers.left_at IS NULL
    AND run_workers.seen_at > clock_timestamp() - ${timing.leaseValidMs} * interval '1 millisecond')`;

async function readBusy(world: DispatchWorld, tx: Tx): Promise<readonly Row[]> {
  const { rows } = await sql<Row>`SELECT ${COLUMNS}, ${workersOf(world)} AS workers
    FROM runs JOIN jobs ON jobs.id = runs.job_id
    WHERE runs.state = ANY(${BUSY_STATES as unknown as string[]}::text[]) ORDER BY runs.started_at, runs.id`.execute(
    tx,
  );
  return rows;
}

async function readQueued(world: DispatchWorld, tx: Tx, most: number): Promise<readonly Row[]> {
  const { rows } = await sql<Row>`
    WITH ranked AS (
      SELECT id, row_number() OVER (ORDER BY queued_at, id) AS place,
        row_number() OVER (PARTITION BY source_connector_id, target_connector_id ORDER BY queued_at, id) AS place_of_pair
      FROM runs WHERE state = 'queued'
    )
    SELECT ${COLUMNS}, CASE WHEN runs.started_at IS NULL THEN 0 ELSE ${workersOf(world)} END AS workers
    FROM ranked JOIN runs ON runs.id = ranked.id JOIN jobs ON jobs.id = runs.job_id
    WHERE place <= ${most} OR place_of_pair <= ${LOOKED_AT_PER_PAIR} ORDER BY place`.execute(tx);
  return rows;
}

/** How many runs the workers that live take part in; `null` where there are none. */
async function readRoom({ timing }: DispatchWorld, tx: Tx): Promise<number | null> {
  const { rows } = await sql<{ room: number | null }>`SELECT sum(slots)::integer AS room FROM workers
    WHERE state = 'active' AND ${isAlive(timing)}`.execute(tx);
  return rows[0]?.room ?? null;
}

async function readTransfers(tx: Tx): Promise<ReadonlyMap<string, TransfersAllowed>> {
  const { rows } = await sql<TransfersAllowed & { id: string }>`
    SELECT id, name, (limits ->> 'transfersMax')::float8 AS most FROM connectors
    WHERE limits ->> 'transfersMax' IS NOT NULL`.execute(tx);
  return new Map(rows.map(({ id, name, most }) => [id, { name, most }]));
}

/** By the database's clock, so that no two processes disagree. */
async function closedTimetables(tx: Tx, runs: readonly Row[]): Promise<ReadonlySet<string | null>> {
  const asked = runs.filter(({ limited_by: limit, waits }) => limit === 'bandwidth' || waits?.kind === 'bandwidth');
  const ids = [...new Set(asked.flatMap(({ timetable_id: id }) => (id === null ? [] : [id])))];
  if (ids.length === 0) return new Set();
  const { rows } = await sql<{ id: string; timetable: BandwidthTimetable; now_ms: number }>`
    SELECT id, timetable, (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS now_ms
    FROM timetables WHERE id = ANY(${ids}::uuid[])`.execute(tx);
  return new Set(rows.filter((row) => rateAt(row.timetable, row.now_ms) === 0).map(({ id }) => id));
}
