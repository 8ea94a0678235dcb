/** Pause, resume, cancel: what an order means in each state, and carrying it out against whatever happens meanwhile. */
import { sql } from 'kysely';
import { DroverError, type Failure } from '../../model/errors.ts';
import type { RunState } from '../../model/outcome.ts';
import type { Actor, WaitReason } from '../entities.ts';
import type { Audit, ControlWorld, Tx } from '../world.ts';
import { runRow, type RunListRow } from './rows.ts';
import { hasEnded } from './states.ts';
import { changeState, changeWaits } from './transitions.ts';

export type Order = 'pause' | 'resume' | 'cancel';

/** State → the next one. Not named: the order is fulfilled already, or makes no sense (`REFUSED`). */
const NEXT: Readonly<Record<Order, Partial<Record<RunState, RunState>>>> = {
  pause: { queued: 'paused', running: 'pausing' },
  // Whoever has let go meanwhile takes part again.
  resume: { pausing: 'running', paused: 'queued' },
  cancel: { queued: 'cancelling', running: 'cancelling', pausing: 'cancelling', paused: 'cancelling' },
};

const REFUSED: Readonly<Record<Order, readonly RunState[]>> = {
  pause: ['cancelling', 'cancelled', 'failed', 'succeeded', 'completed-with-issues'],
  resume: ['cancelling', 'cancelled', 'failed', 'succeeded', 'completed-with-issues'],
  cancel: ['failed', 'succeeded', 'completed-with-issues'],
};

/** Each time somebody else was faster; a run has few states to go through. */
const TRIES_MAX = 10;

/** True when it changed something. WRONG_STATE for a run that has ended, also when that happens in this moment. */
export async function carryOutOrder(
  world: ControlWorld,
  audit: Audit,
  actor: Actor,
  order: Order,
  id: string,
): Promise<boolean> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const row = await runRow(world.db, id);
    const state = row.state as RunState;
    if (REFUSED[order].includes(state)) throw refusal(order, row);
    const to = NEXT[order][state] ?? null;
    const isKept = to === null && order === 'pause' && needsAttention(row);
    if (to === null && !isKept) return false;
    const has = await world.db
      .transaction()
      .execute((tx) =>
        to === null ? keepPaused(world, audit, tx, actor, row) : change(world, audit, tx, actor, order, row, to),
      );
    if (has) return true;
  }
  throw new DroverError('EDIT_CONFLICT', `Run "${id}" changes too fast; try again.`);
}

function needsAttention({ waits }: Pick<RunListRow, 'waits'>): boolean {
  return (waits as WaitReason | null)?.kind === 'attention';
}

/**
 * One that has paused by itself goes on by itself when its connector is well again; from now on only when a person says
 * so. It keeps its error, and the connector that it was about.
 */
async function keepPaused(
  world: ControlWorld,
  audit: Audit,
  tx: Tx,
  actor: Actor,
  { id }: RunListRow,
): Promise<boolean> {
  await sql`SELECT FROM runs WHERE id = ${id} FOR NO KEY UPDATE`.execute(tx);
  const row = await runRow(tx, id);
  if ((row.state !== 'paused' && row.state !== 'pausing') || !needsAttention(row)) return false;
  const failure = row.error as Failure | null;
  const before = failure === null ? '' : ` It had paused already: ${failure.message}`;
  const waits: WaitReason = {
    kind: 'person',
    text: `Paused by ${actor.name}.${before}`,
    runId: null,
    connectorId: (row.waits as WaitReason).connectorId,
  };
  if (!(await changeWaits(tx, world.bus, id, [row.state], waits))) return false;
  await audit(tx, actor, { ...lineOf('pause', row), changes: { waits: ['attention', 'person'] } });
  return true;
}

/** What is known to stand against it, of a run that has just been resumed. */
export async function stillHolds(world: ControlWorld, runId: string): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string; reason: Failure | null }>`
    SELECT connectors.name, connectors.health_reason AS reason FROM runs
      JOIN connectors ON connectors.id IN (runs.source_connector_id, runs.target_connector_id)
    WHERE runs.id = ${runId} AND connectors.health = 'needs-attention'
    ORDER BY connectors.id <> runs.source_connector_id`.execute(world.db);
  return rows.map(({ name, reason }) => {
    const why = reason === null ? '.' : `: ${reason.message} ${reason.remedy}`;
    return `"${name}" still needs attention${why} Unless that has changed, the run pauses again.`;
  });
}

/**
 * What nobody has worked on has left nothing anywhere, so there is nothing to look after. A worker that joins has its own
 * row first, and that waits for this lock: it comes before, or finds that the run has ended.
 */
async function hasNeverBegun(tx: Tx, runId: string): Promise<boolean> {
  await sql`SELECT FROM runs WHERE id = ${runId} FOR UPDATE`.execute(tx);
  const { rows } = await sql<{ has: boolean }>`
    SELECT EXISTS (SELECT FROM run_workers WHERE run_id = ${runId}) OR EXISTS (SELECT FROM segments WHERE run_id = ${runId})
      OR EXISTS (SELECT FROM intents WHERE run_id = ${runId}) AS has`.execute(tx);
  return rows[0]?.has === false;
}

async function change(
  world: ControlWorld,
  audit: Audit,
  tx: Tx,
  actor: Actor,
  order: Order,
  row: RunListRow,
  next: RunState,
): Promise<boolean> {
  const to = next === 'cancelling' && (await hasNeverBegun(tx, row.id)) ? 'cancelled' : next;
  const waits: WaitReason | null =
    order === 'pause' ? { kind: 'person', text: `Paused by ${actor.name}.`, runId: null, connectorId: null } : null;
  const error = order === 'resume' ? { error: null } : {};
  const has = await changeState(tx, world.bus, row.id, { from: [row.state as RunState], to, waits, ...error });
  if (!has) return false;
  await audit(tx, actor, { ...lineOf(order, row), changes: { state: [row.state, to] } });
  return true;
}

function lineOf(order: Order, row: RunListRow) {
  return {
    action: `run.${order}`,
    entityKind: 'run',
    entityId: row.id,
    entityName: `${row.job_name} · run ${row.number}`,
  };
}

function refusal(order: Order, row: RunListRow): DroverError {
  const what = hasEnded(row.state) ? `It has ended: ${wordsOf(row.state)}.` : 'It is being canceled.';
  return new DroverError('WRONG_STATE', `Run ${row.number} of "${row.job_name}" cannot be ${PAST[order]}. ${what}`);
}

/** As it is written on a screen. */
function wordsOf(state: string): string {
  return state === 'cancelled' ? 'canceled' : state.replaceAll('-', ' ');
}

const PAST: Readonly<Record<Order, string>> = { pause: 'paused', resume: 'resumed', cancel: 'canceled' };
