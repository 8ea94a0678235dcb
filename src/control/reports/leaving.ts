/** Whether a job's source can be left, and everything that is known about it for saying how. */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import type { Config } from '../../contract/fields.ts';
import { DroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import { DEFAULT_POLICY } from '../../model/policy.ts';
import type { CloudAccount, Run, RunSnapshot } from '../entities.ts';
import { jobFacts } from '../jobs/rows.ts';
import { isoOf } from '../rows.ts';
import type { ControlWorld, Db } from '../world.ts';
import { findingsOf } from './findings.ts';
import type { Verdict } from './verdict.ts';
import type { SourceToLeave } from './what-can-go.ts';

/**
 * WRONG_STATE until the newest run that touches or looks at the target is a validation that found nothing and rests on no
 * size alone, a report of it that has compared both sides once more and read objects back is clean, and nothing has
 * written there since.
 */
export async function sourceToLeave({ db }: Pick<ControlWorld, 'db'>, jobId: string): Promise<SourceToLeave> {
  const { job, source } = await jobFacts(db, jobId);
  const last = await db
    .selectFrom('runs')
    .select(['id', 'kind', 'state', 'counters', 'snapshot', 'report_verdict', 'started_at', 'queued_at'])
    .select(['target_fingerprint', 'target_container', 'target_prefix'])
    .where('job_id', '=', job.id)
    .where('kind', 'in', ['transfer', 'retry', 'validate'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last === undefined || last.kind !== 'validate') {
    throw refusal(`The job "${job.name}" was not validated since its last run.`, VALIDATE);
  }
  const counters = expectCleanValidation(last);
  expectCleanReport(last.report_verdict as Verdict | null, last.id);
  const looked = last.started_at ?? last.queued_at;
  await expectNobodyWrote(db, last, looked);
  const { settings, source: compared } = snapshotOf(last.snapshot);
  if (compared.connectorId !== source.connectorId || !isDeepStrictEqual(compared.place, source.place)) {
    throw refusal('What the validation compared is not what the job would move now.', VALIDATE);
  }
  const connector = await db
    .selectFrom('connectors')
    .select(['config', 'name', 'cloud'])
    .where('id', '=', source.connectorId)
    .executeTakeFirstOrThrow();
  const seen = await db
    .selectFrom('inventory')
    .select('region')
    .where('connector_id', '=', source.connectorId)
    .where('container', '=', source.place.container)
    .where('gone_at', 'is', null)
    .executeTakeFirst();
  return {
    provider: source.provider,
    place: source.place,
    config: connector.config as Config,
    connectorName: connector.name,
    fingerprint: source.fingerprint,
    cloud: connector.cloud as Pick<CloudAccount, 'accountType'> | null,
    region: seen?.region ?? null,
    versions: settings.versions,
    validatedAt: isoOf(looked),
    ...(await othersOf(db, job.id, source)),
    // Also what comes later is compared by it: then nobody would count it.
    hasFilter: !isDeepStrictEqual({ ...DEFAULT_POLICY.filter, ...settings.filter }, DEFAULT_POLICY.filter),
    excluded: counters.items.excluded,
    losses: await lossesOf(db, job.id),
  };
}

const VALIDATE = 'Start a run of the kind "validate", make a report of it, and ask again.';

function refusal(message: string, remedy: string): DroverError {
  return new DroverError('WRONG_STATE', message, { remedy });
}

function snapshotOf(text: unknown): RunSnapshot {
  return (typeof text === 'string' ? JSON.parse(text) : text) as RunSnapshot;
}

async function othersOf(
  db: Db,
  jobId: string,
  { connectorId, place }: { readonly connectorId: string; readonly place: SourceToLeave['place'] },
): Promise<Pick<SourceToLeave, 'otherJobs' | 'otherJobsHere'>> {
  const others = await db
    .selectFrom('jobs')
    .innerJoin('endpoints', 'endpoints.id', 'jobs.source_endpoint_id')
    .select([
      sql<string>`count(*)`.as('jobs'),
      sql<string>`count(*) FILTER (WHERE endpoints.place::jsonb ->> 'container' = ${place.container})`.as('here'),
    ])
    .where('endpoints.connector_id', '=', connectorId)
    .where('jobs.id', '<>', jobId)
    .executeTakeFirstOrThrow();
  return { otherJobs: Number(others.jobs), otherJobsHere: Number(others.here) };
}

/** What the newest copies could not carry over, as it was said before they began. */
async function lossesOf(db: Db, jobId: string): Promise<readonly string[]> {
  const row = await db
    .selectFrom('runs')
    .select('snapshot')
    .where('job_id', '=', jobId)
    .where('kind', 'in', ['transfer', 'retry'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? [] : snapshotOf(row.snapshot).concessions.map(({ detail }) => detail);
}

/** What a job accepts makes its runs succeed; it does not make a copy one that the source can be deleted for. */
function expectCleanValidation({
  state,
  counters: kept,
}: {
  readonly state: string;
  readonly counters: unknown;
}): Counters {
  const counters = { ...ZERO_COUNTERS, ...(kept as Partial<Counters>) };
  const findings = findingsOf({
    run: { kind: 'validate', state: state as Run['state'] },
    counters,
    bothSides: { notCompared: '', isFault: false },
    comparedNow: { notCompared: '', isFault: false },
    readBack: { notReadBack: '', isFault: false },
    acceptV0: false,
  });
  if (findings.length === 0) return counters;
  const remedy =
    counters.sameWeak === 0
      ? VALIDATE
      : 'Validate with --verify read-back, which reads on both sides what no digest proves; then make a report of it.';
  throw refusal(`The last validation was not clean. ${findings.join(' ')}`, remedy);
}

function expectCleanReport(verdict: Verdict | null, runId: string): void {
  const make = `drover run report ${runId} --out report.html --spot-check 100`;
  if (verdict === null) {
    const remedy = `Make one, and ask again: ${make}`;
    throw refusal('No report of the last validation has compared both sides once more and read objects back.', remedy);
  }
  if (verdict.result === 'clean') return;
  const message = `A report of the last validation, made at ${verdict.madeAt}, was not clean. ${verdict.findings.join(' ')}`;
  throw refusal(message, verdict.result === 'refuted' ? VALIDATE : `Make another, and ask again: ${make}`);
}

interface Target {
  readonly target_fingerprint: string;
  readonly target_container: string;
  readonly target_prefix: string;
}

/** Another job may have written over, or deleted, what the validation found at the target. */
async function expectNobodyWrote(db: Db, target: Target, since: Date): Promise<void> {
  const { target_fingerprint: store, target_container: container, target_prefix: prefix } = target;
  // In a file system the same folder may be a container of one run and a prefix of another.
  const path = `${container.replace(/\/+$/, '')}/${prefix}`;
  const wroteTo = sql<string>`rtrim(runs.target_container, '/') || '/' || runs.target_prefix`;
  const writer = await db
    .selectFrom('runs')
    .innerJoin('jobs', 'jobs.id', 'runs.job_id')
    .select(['jobs.name', 'runs.number'])
    .where('runs.kind', 'in', ['transfer', 'retry'])
    .where('runs.target_fingerprint', '=', store)
    .where(sql<boolean>`(starts_with(${wroteTo}, ${path}) OR starts_with(${path}, ${wroteTo}))`)
    .where(sql<boolean>`coalesce(runs.ended_at, now()) >= ${since}`)
    .where('runs.started_at', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  if (writer === undefined) return;
  const message = `Run ${writer.number} of "${writer.name}" has written to the same place at the target since the validation.`;
  throw refusal(message, VALIDATE);
}
