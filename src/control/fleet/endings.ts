/** Carries out what a worker's broken part means for the run. */
import { sql } from 'kysely';
import type { Failure } from '../../model/errors.ts';
import { ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import type { RunLogLine, WaitReason } from '../entities.ts';
import { storable } from '../runs/store-rows.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { changeState, changeWaits } from '../runs/transitions.ts';
import { putRunInOutbox } from '../notifications/outbox.ts';
import type { Tx } from '../world.ts';
import { wantSweep } from './cancelling.ts';
import { TRIED_AGAIN } from './dispatcher.ts';
import { traceRun } from './lease-traces.ts';
import type { FleetWorld } from './parts.ts';
import type { UsedConnector } from './participation.ts';
import { codesOf, sumsText } from './run-log.ts';
import type { Verdict } from './verdict.ts';

/** `connector`: of the side at fault, where that is known. */
export async function carryOut(
  world: FleetWorld,
  runId: string,
  verdict: Verdict,
  connector: UsedConnector | null,
): Promise<void> {
  switch (verdict.kind) {
    case 'again':
      return;
    case 'disk':
      return showDisk(world, runId, verdict.failure.message);
    case 'attention':
      return pauseForAttention(world, runId, verdict, connector);
    case 'fail':
      return failRun(world, runId, verdict);
    default:
  }
}

/** With its line in the log, or neither: whoever sees what a run waits for finds there what happened. */
async function showDisk(world: FleetWorld, runId: string, message: string): Promise<void> {
  const { db, bus } = world;
  const text = `${message} The run goes on by itself when there is room.`;
  const waits: WaitReason = { kind: 'disk', text, runId: null, connectorId: null };
  await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const isNew =
        (await haltUnlessShared(world, tx, runId, waits)) ?? (await changeWaits(tx, bus, runId, ['running'], waits));
      if (isNew) await writeLine(world, tx, runId, 'warn', text, 'DISK_FULL');
    }),
  );
}

/**
 * A run that stands still gives its place back, and gets one again for its next try. `null` where others are at it, who
 * may have room; otherwise whether it says something new.
 */
async function haltUnlessShared(
  { bus, timing }: FleetWorld,
  tx: Tx,
  runId: string,
  waits: WaitReason,
): Promise<boolean | null> {
  const { rows: others } = await sql`SELECT FROM run_workers WHERE run_id = ${runId} AND left_at IS NULL
    AND seen_at > clock_timestamp() - ${timing.leaseValidMs} * interval '1 millisecond' LIMIT 1`.execute(tx);
  if (others.length > 0) return null;
  // It may have looked well for a moment while it was tried again, and told of that.
  const { rows } = await sql<{ isSaid: boolean }>`SELECT coalesce(waits ->> 'kind' = 'disk', false) OR coalesce((
      SELECT code = 'DISK_FULL' AND at > clock_timestamp() - interval '1 hour' FROM run_log
      WHERE run_id = runs.id AND level <> 'info' ORDER BY number DESC LIMIT 1), false) AS "isSaid"
    FROM runs WHERE id = ${runId}`.execute(tx);
  const has = await changeState(tx, bus, runId, { from: ['running'], to: 'queued', waits });
  return has && rows[0]?.isSaid !== true;
}

/**
 * The connector is marked first: a run must never pause for one that looks healthy, or it would go on at once. Nothing
 * happens where it was changed since: this part has seen the old one, and the next one sees whether the new one will do.
 */
async function pauseForAttention(
  world: FleetWorld,
  runId: string,
  { failure }: Extract<Verdict, { kind: 'attention' }>,
  connector: UsedConnector | null,
): Promise<void> {
  const { db, bus } = world;
  const connectorId = connector?.connectorId ?? null;
  if (connector !== null) {
    if (await isOutdated(world, connector)) return;
    await world.parts.reportHealth(connector.connectorId, failure, connector.version);
  }
  const comesBack = failure.code === 'UNREACHABLE' || failure.code === 'CLOCK_SKEW';
  const text = `${failure.message} ${comesBack ? TRIED_AGAIN : failure.remedy}`;
  const waits: WaitReason = { kind: 'attention', text, runId: null, connectorId };
  await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const before = await tx
        .selectFrom('runs')
        .select('error')
        .where('id', '=', runId)
        .forNoKeyUpdate()
        .executeTakeFirst();
      const change = { from: ['running'], to: 'pausing', waits, error: failure } as const;
      if (!(await changeState(tx, bus, runId, change))) return;
      // Tried again and broken off for the same reason, it is no news.
      const isKnown = (before?.error as Failure | null | undefined)?.code === failure.code;
      if (!isKnown) await putRunInOutbox(world, tx, 'run.attention', runId);
      await writeLine(world, tx, runId, 'error', `The run pauses: ${failure.message}`, failure.code);
    }),
  );
}

async function isOutdated({ db }: FleetWorld, { connectorId, version }: UsedConnector): Promise<boolean> {
  if (version === undefined) return false;
  const row = await inDatabase(() =>
    db.selectFrom('connectors').select('version').where('id', '=', connectorId).executeTakeFirst(),
  );
  return row !== undefined && row.version !== version;
}

async function failRun(
  world: FleetWorld,
  runId: string,
  { failure }: Extract<Verdict, { kind: 'fail' }>,
): Promise<void> {
  const { db, bus } = world;
  const has = await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const isSo = await changeState(tx, bus, runId, { from: ['running', 'pausing'], to: 'failed', error: failure });
      if (!isSo) return false;
      await wantSweep(tx, runId);
      await tellFailure(world, tx, runId, failure);
      return true;
    }),
  );
  if (has) await traceRun(world, runId);
}

/** In the transaction that ends it: a crash right after it loses nothing of what people are told. */
export async function tellEnd(world: FleetWorld, tx: Tx, runId: string): Promise<void> {
  const row = await tx
    .selectFrom('runs')
    .select(['kind', 'state', 'error', 'counters'])
    .where('id', '=', runId)
    .executeTakeFirst();
  if (row?.state === 'failed') return tellFailure(world, tx, runId, row.error as Failure | null);
  await putRunInOutbox(world, tx, 'run.completed', runId);
  if (await needsSomebody(tx, runId, row)) await putRunInOutbox(world, tx, 'run.attention', runId);
  const found = row?.kind === 'validate' ? differencesOf(row.counters as Partial<Counters>) : null;
  if (found !== null) await writeLine(world, tx, runId, 'warn', found, 'DIFFERENCES');
  const counters = { ...ZERO_COUNTERS, ...(row?.counters as Partial<Counters> | undefined) };
  const issues = row?.state === 'completed-with-issues' ? issuesOf(counters) : [];
  const end = issues.length === 0 ? 'The run is complete.' : `The run is complete, with issues: ${issues.join(', ')}.`;
  await writeSums(world, tx, runId, counters);
  const renamed = renamedOf(counters);
  const level = issues.length === 0 && renamed === null ? 'info' : 'warn';
  const code = row?.state === 'completed-with-issues' ? 'COMPLETE_WITH_ISSUES' : 'COMPLETE';
  await writeLine(world, tx, runId, level, renamed === null ? end : `${end} ${renamed}`, code);
}

/**
 * Once for the run, however many objects it concerns. Of a run that moves objects the job's row knows (the trigger
 * `job_knows_failure` has seen the new state already); what a validation finds is told each time.
 */
async function needsSomebody(
  tx: Tx,
  runId: string,
  row: { kind: string; state: string } | undefined,
): Promise<boolean> {
  if (row?.state !== 'completed-with-issues') return false;
  if (row.kind === 'validate') return true;
  const job = await tx.selectFrom('jobs').select('id').where('failed_run_id', '=', runId).executeTakeFirst();
  return job !== undefined;
}

/** No issue: they are there and proved, as was said before the run began. */
function renamedOf({ mapped }: Counters): string | null {
  if (mapped === 0) return null;
  const objects = mapped === 1 ? '1 object has' : `${mapped.toLocaleString('en')} objects have`;
  return `${objects} another name at the target, which cannot hold the original one; the copy log has both.`;
}

/** What makes the end of a run one with issues, beside what differs; the copy log has each. */
function issuesOf({ items, deletesFailed, verification, sameWeak }: Counters): readonly string[] {
  const told: readonly [number, string][] = [
    [items.failed, 'failed'],
    [items.unsupported, 'unsupported'],
    [deletesFailed, 'not deleted at the target'],
    [verification.V0 + sameWeak, 'compared by size alone and so not proved'],
  ];
  return told.filter(([count]) => count > 0).map(([count, words]) => `${count.toLocaleString('en')} ${words}`);
}

function differencesOf({ differences = ZERO_COUNTERS.differences }: Partial<Counters>): string | null {
  const { missing, different, extra } = differences;
  if (missing + different + extra === 0) return null;
  return `The two sides differ: ${missing} missing at the target, ${different} different, ${extra} only at the target.`;
}

async function tellFailure(world: FleetWorld, tx: Tx, runId: string, failure: Failure | null): Promise<void> {
  await putRunInOutbox(world, tx, 'run.failed', runId);
  const row = await tx.selectFrom('runs').select('counters').where('id', '=', runId).executeTakeFirst();
  await writeSums(world, tx, runId, { ...ZERO_COUNTERS, ...(row?.counters as Partial<Counters> | undefined) });
  await writeLine(world, tx, runId, 'error', `The run failed: ${failure?.message ?? ''}`, failure?.code ?? null);
}

/** What became of all, and one line for each code of what did not make it. */
async function writeSums(world: FleetWorld, tx: Tx, runId: string, counters: Counters): Promise<void> {
  await writeLine(world, tx, runId, 'info', sumsText(counters), 'SUMS');
  for (const { code, message } of await codesOf(tx, runId)) await writeLine(world, tx, runId, 'warn', message, code);
}

/** A line of the run's log, with what it is about: both are there, or neither. */
async function writeLine(
  { clock, bus }: FleetWorld,
  tx: Tx,
  runId: string,
  level: RunLogLine['level'],
  message: string,
  code: string | null,
): Promise<void> {
  const line = { run_id: runId, at: new Date(clock.now()), level, code, message: storable(message) };
  await tx.insertInto('run_log').values(line).execute();
  await bus.tell('run-log', runId, tx);
}

/** After a run came to its end by a worker's hand. */
export async function onEnded(world: FleetWorld, runId: string): Promise<void> {
  const { bus, db } = world;
  const row = await db
    .selectFrom('runs')
    .select(['job_id', 'state', 'source_connector_id', 'target_connector_id'])
    .where('id', '=', runId)
    .executeTakeFirst();
  if (row === undefined) return;
  await traceRun(world, runId);
  await bus.tell('run', runId);
  await bus.tell('runs', runId);
  await bus.tell('job', row.job_id);
  await bus.tell('work', runId);
  if (row.state !== 'failed') await noteHealthy(world, [row.source_connector_id, row.target_connector_id]);
}

/** A whole run has just used them; one that still waits may need more of them than that one did. */
async function noteHealthy(world: FleetWorld, connectorIds: readonly string[]): Promise<void> {
  const marked = await world.db
    .selectFrom('connectors')
    .select('id')
    .where('id', 'in', connectorIds)
    .where('health', '=', 'needs-attention')
    .where(
      sql<boolean>`NOT EXISTS (SELECT FROM runs WHERE runs.state IN ('pausing', 'paused')
        AND runs.waits ->> 'connectorId' = connectors.id::text AND runs.error ->> 'code' = 'PERMISSION_DENIED')`,
    )
    .execute();
  for (const { id } of marked) await world.parts.reportHealth(id, null);
}
