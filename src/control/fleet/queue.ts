/** Who may run: so many at once, in the order of queueing, and one at a time for each part of a target. */
import { sql } from 'kysely';
import { placesOverlap } from '../../contract/places.ts';
import type { WaitReason } from '../entities.ts';
import { LOCKS } from '../database/locks.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { BUSY_STATES } from '../runs/states.ts';
import { changeState, changeWaits } from '../runs/transitions.ts';
import type { DispatchWorld } from './parts.ts';

interface Row {
  readonly id: string;
  readonly number: number;
  readonly job: string;
  readonly state: string;
  readonly target_fingerprint: string;
  readonly target_container: string;
  readonly target_prefix: string;
  readonly waits: WaitReason | null;
}

/** Queued runs looked at in one go: where there is a place, further back, for those in front may all wait for one target. */
const LOOKED_AT_MAX = 5_000;
/** Where there is none, so many are told why they wait. */
const LOOKED_AT_FULL_MAX = 500;

export interface Placing {
  readonly start: readonly string[];
  readonly waits: ReadonlyMap<string, WaitReason>;
}

/** The pure part: which of the queued runs begin, and why the others wait. `queued` in their order. */
export function placeRuns(busy: readonly Row[], queued: readonly Row[], runsMax: number): Placing {
  const start: string[] = [];
  const waits = new Map<string, WaitReason>();
  const taken = [...busy];
  /** What runs further in front wait for: nobody behind them may take it meanwhile, or they could wait for ever. */
  const reserved: Row[] = [];
  const reserve = (run: Row): void => {
    if (!reserved.some((one) => isWithin(run, one))) reserved.push(run);
  };
  for (const run of queued) {
    const other = taken.find((one) => overlaps(one, run)) ?? reserved.find((one) => overlaps(one, run));
    if (other !== undefined) {
      waits.set(run.id, busyTarget(other));
      reserve(run);
    } else if (taken.length >= runsMax) waits.set(run.id, atLimit(runsMax));
    else {
      start.push(run.id);
      taken.push(run);
    }
  }
  return { start, waits };
}

/** Does nothing when another process is at it in this moment. Returns the runs that began. */
export async function giveOutPlaces(world: DispatchWorld): Promise<readonly string[]> {
  const { db, bus, runsAtOnceMax } = world;
  return inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const [family, number] = LOCKS.queue;
      const lock = await sql<{ has: boolean }>`SELECT pg_try_advisory_xact_lock(${family}, ${number}) AS has`.execute(
        tx,
      );
      if (lock.rows[0]?.has !== true) return [];
      const columns = sql`runs.id, runs.number, jobs.name AS job, runs.state, runs.target_fingerprint,
        runs.target_container, runs.target_prefix, runs.waits`;
      const { rows: busy } = await sql<Row>`SELECT ${columns} FROM runs JOIN jobs ON jobs.id = runs.job_id
        WHERE runs.state = ANY(${BUSY_STATES as unknown as string[]}::text[])`.execute(tx);
      const most = busy.length >= runsAtOnceMax ? LOOKED_AT_FULL_MAX : LOOKED_AT_MAX;
      const { rows: queued } = await sql<Row>`SELECT ${columns} FROM runs JOIN jobs ON jobs.id = runs.job_id
        WHERE runs.state = 'queued' ORDER BY runs.queued_at, runs.id LIMIT ${most}`.execute(tx);
      if (queued.length === 0) return [];
      const { start, waits } = placeRuns(busy, queued, runsAtOnceMax);
      const started: string[] = [];
      for (const id of start) {
        if (await changeState(tx, bus, id, { from: ['queued'], to: 'running' })) started.push(id);
      }
      for (const { id, waits: before } of queued) {
        const reason = waits.get(id);
        if (reason === undefined || (before?.text === reason.text && before.runId === reason.runId)) continue;
        await changeWaits(tx, bus, id, ['queued'], reason);
      }
      return started;
    }),
  );
}

const placeOf = (row: Row) => ({ container: row.target_container, prefix: row.target_prefix });

function overlaps(a: Row, b: Row): boolean {
  return a.target_fingerprint === b.target_fingerprint && placesOverlap(placeOf(a), null, placeOf(b));
}

/** All of `a` lies in `b`. */
function isWithin(a: Row, b: Row): boolean {
  return a.target_fingerprint === b.target_fingerprint && placesOverlap(placeOf(a), 'all', placeOf(b));
}

function atLimit(runsMax: number): WaitReason {
  const runs = runsMax === 1 ? 'one run goes' : `${runsMax} runs go`;
  const text = `At most ${runs} on at once; it begins as soon as there is a place.`;
  return { kind: 'limit', text, runId: null, connectorId: null };
}

function busyTarget(other: Row): WaitReason {
  const does = other.state === 'queued' ? 'waits in front of it for' : 'writes to';
  const text = `Run ${other.number} of "${other.job}" ${does} the same part of the target; it begins when that one is done.`;
  return { kind: 'target-busy', text, runId: other.id, connectorId: null };
}
