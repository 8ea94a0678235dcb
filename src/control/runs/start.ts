/** Makes a run of a job: checks that it may begin, and freezes everything it needs. */
import { sql } from 'kysely';
import { newRunId } from '../../engine/run-id.ts';
import type { Concession, EndDefinition } from '../../engine/definition.ts';
import { defineTransfer } from '../../engine/transfer.ts';
import { pairIdOf } from '../../engine/transfer-id.ts';
import { DroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import type { Actor, RunKind, RunSnapshot } from '../entities.ts';
import { refuseOverlap } from '../endpoints/identity.ts';
import { jobFacts, type EndFacts, type JobFacts } from '../jobs/rows.ts';
import { outcomesOf } from '../jobs/service.ts';
import { policyOf } from '../jobs/settings.ts';
import type { StartRun } from '../services.ts';
import type { Audit, ControlWorld, Tx } from '../world.ts';
import { expectationOf, keptText } from './expectation.ts';
import { ACTIVE_STATES, hasEnded } from './states.ts';
import { refuseHalfLog } from './store-aside.ts';
import { storable } from './store-rows.ts';
import { tellOfRun } from './transitions.ts';

const COMMANDS: Readonly<Record<RunKind, string>> = {
  transfer: 'copy',
  'dry-run': 'copy',
  validate: 'check',
  retry: 'retry',
};

/** What was found out before. */
export interface Before {
  /** Where the last run's keys lay. */
  readonly cuts?: readonly string[];
  /** What the person was told that a run will do otherwise than expected; `null`: nobody was. */
  readonly told?: readonly Concession[] | null;
}

/**
 * In one transaction with its audit line. GUARD_BUSY, WRONG_STATE, INVALID_INPUT, PLACES_OVERLAP.
 * Returns the run's id.
 */
export async function insertRun(
  world: ControlWorld,
  audit: Audit,
  tx: Tx,
  actor: Actor,
  jobId: string,
  input: StartRun,
  { cuts = [], told = null }: Before = {},
): Promise<string> {
  // Whoever starts the same job at the same moment waits here, and then sees this run.
  await sql`SELECT FROM jobs WHERE id = ${jobId} FOR UPDATE`.execute(tx);
  const facts = await jobFacts(tx, jobId);
  refuseOverlap(facts.source, facts.target);
  await refuseSecond(tx, facts);
  const retryOf = input.kind === 'retry' ? await retriedRun(tx, facts, input.retryOf) : null;
  const id = newRunId(world);
  const number = await nextNumber(tx, jobId);
  const nowMs = world.clock.now();
  const made = madeOf(world, facts, input, told);
  const expected = await expectationOf(tx, { jobId, pairId: made.definition.pairId, retryOf });
  await tx
    .insertInto('runs')
    .values({
      id,
      job_id: jobId,
      project_id: facts.job.projectId,
      number,
      kind: input.kind,
      trigger: input.trigger,
      created_by: actor.name,
      transfer_id: made.definition.transferId,
      pair_id: made.definition.pairId,
      definition: JSON.stringify(made.definition),
      snapshot: JSON.stringify(made.snapshot),
      source_connector_id: facts.source.connectorId,
      target_connector_id: facts.target.connectorId,
      source_path: facts.source.fullPath,
      target_path: facts.target.fullPath,
      target_fingerprint: storable(facts.target.identity.store),
      target_container: storable(facts.target.identity.container),
      target_prefix: storable(facts.target.identity.prefix),
      state: 'queued',
      retry_of: retryOf,
      scheduled_at: input.scheduledAt === undefined ? null : new Date(input.scheduledAt),
      queued_at: new Date(nowMs),
      updated_at: new Date(nowMs),
      counters: JSON.stringify(ZERO_COUNTERS),
      requests: JSON.stringify({ source: {}, target: {} }),
      manifest_root: null,
      expected: keptText(expected, cuts),
    })
    .execute();
  await audit(tx, actor, {
    action: 'run.start',
    entityKind: 'run',
    entityId: id,
    entityName: `${facts.job.name} · run ${number}`,
    changes: { kind: [null, input.kind] },
  });
  await tellOfRun(world.bus, id, jobId, tx);
  return id;
}

function madeOf(
  world: ControlWorld,
  facts: JobFacts,
  { kind, allowEmptySource, verify }: StartRun,
  told: readonly Concession[] | null,
) {
  const { job, source, target, bandwidth } = facts;
  const settings = policyOf(job.settings, kind);
  const policy = {
    ...settings,
    ...(allowEmptySource === true ? { allowEmptySource } : {}),
    ...(verify === undefined ? {} : { verify }),
  };
  const isAllowed = allowEmptySource === true && !job.settings.allowEmptySource;
  const jobNow = isAllowed ? { ...job.settings, allowEmptySource } : job.settings;
  const now = told === null || isAllowed ? outcomesOf(world, source, target, jobNow, null, kind) : [];
  // Of what the job does by itself people were told; what is allowed for this run alone makes other words of one thing.
  const concessions =
    told?.map((one) => (isAllowed && isAboutDeletions(one) ? (now.find(isAboutDeletions) ?? one) : one)) ?? now;
  const definition = defineTransfer({
    command: kind === 'transfer' && policy.mode === 'mirror' ? 'sync' : COMMANDS[kind],
    source: endOf(source),
    target: endOf(target),
    policy,
    concessions,
  });
  const snapshot: RunSnapshot = {
    settings: policy,
    concessions,
    source: { connectorId: source.connectorId, connector: source.connectorName, place: source.place, only: null },
    target: { connectorId: target.connectorId, connector: target.connectorName, place: target.place },
    tuning: { transfersMax: job.tuning.transfersMax, bandwidth },
  };
  return { definition, snapshot };
}

const isAboutDeletions = ({ aspect }: Concession): boolean => aspect === 'deletions';

function endOf({ connectorName, provider, fingerprint, identity, place, fullPath }: EndFacts): EndDefinition {
  return { connector: connectorName, provider, fingerprint, identity, place, label: fullPath, only: null };
}

async function refuseSecond(tx: Tx, { job }: JobFacts): Promise<void> {
  const active = await tx
    .selectFrom('runs')
    .select(['number', 'state'])
    .where('job_id', '=', job.id)
    .where('state', 'in', [...ACTIVE_STATES])
    .executeTakeFirst();
  if (active === undefined) return;
  throw new DroverError('GUARD_BUSY', `Run ${active.number} of "${job.name}" is ${active.state}.`, {
    remedy: active.state === 'paused' ? 'Resume it, or cancel it first.' : 'Wait for it to end, or cancel it.',
  });
}

async function retriedRun(tx: Tx, { job }: JobFacts, retryOf: string | undefined): Promise<string> {
  const refuse = (code: 'INVALID_INPUT' | 'WRONG_STATE', message: string): DroverError =>
    new DroverError(code, message, { field: 'retryOf' });
  if (retryOf === undefined) throw refuse('INVALID_INPUT', 'Name the run whose failed items are to be repeated.');
  const run = await tx
    .selectFrom('runs')
    .select(['id', 'number', 'state', 'kind', 'counters', 'logs_expired'])
    .where('id', '=', retryOf)
    .where('job_id', '=', job.id)
    // Retention either has taken its log already, or sees that it is needed.
    .forShare()
    .executeTakeFirst();
  if (run === undefined) throw refuse('INVALID_INPUT', `"${job.name}" has no run "${retryOf}".`);
  if (!hasEnded(run.state)) throw refuse('WRONG_STATE', `Run ${run.number} has not ended yet.`);
  if (run.kind !== 'transfer' && run.kind !== 'retry') {
    throw refuse('WRONG_STATE', `Run ${run.number} moved nothing, so there is nothing of it to repeat.`);
  }
  await refuseHalfLog(tx, run);
  if (run.logs_expired) throw refuse('WRONG_STATE', `The copy log of run ${run.number} is gone; start a whole run.`);
  const { items, deletesFailed } = run.counters as Counters;
  if (items.failed === 0) {
    const why =
      deletesFailed > 0
        ? `Only deletions failed in run ${run.number}, and what may be deleted takes two whole listings: start a whole run.`
        : `Nothing failed in run ${run.number}.`;
    throw refuse('WRONG_STATE', why);
  }
  return run.id;
}

async function nextNumber(tx: Tx, jobId: string): Promise<number> {
  const row = await tx
    .updateTable('jobs')
    .set((eb) => ({ runs_made: eb('runs_made', '+', 1) }))
    .where('id', '=', jobId)
    .returning('runs_made')
    .executeTakeFirstOrThrow();
  return row.runs_made;
}

/** What the transfer of a job is known by; each of its runs has it. */
export async function pairOf({ db }: ControlWorld, jobId: string): Promise<string> {
  const { source, target } = await jobFacts(db, jobId);
  return pairIdOf(endOf(source), endOf(target));
}
