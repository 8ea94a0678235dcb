/** Whether a job's source can be left, and everything that is known about it for saying how. */
import { sql } from 'kysely';
import type { Config } from '../../contract/fields.ts';
import type { RunStore } from '../../engine/ports.ts';
import { loadSnapshotIndex, snapshotRows } from '../../engine/snapshot.ts';
import { DroverError } from '../../model/errors.ts';
import type { Counters } from '../../model/outcome.ts';
import type { CloudAccount, Job, Run } from '../entities.ts';
import { jobFacts } from '../jobs/rows.ts';
import { isoOf } from '../rows.ts';
import type { ControlWorld } from '../world.ts';
import { findingsOf } from './findings.ts';
import type { SourceToLeave } from './what-can-go.ts';

/** Where versions are copied, one among so many items shows that the store keeps them. */
const ROWS_LOOKED_AT_MAX = 1_000;

/** WRONG_STATE until the newest run that touches or looks at the target is a validation that found nothing. */
export async function sourceToLeave(world: ControlWorld, store: RunStore, jobId: string): Promise<SourceToLeave> {
  const { db } = world;
  const { job, source } = await jobFacts(db, jobId);
  const last = await db
    .selectFrom('runs')
    .select(['kind', 'state', 'counters', 'started_at', 'queued_at'])
    .where('job_id', '=', job.id)
    .where('kind', 'in', ['transfer', 'retry', 'validate'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  const counters = expectCleanValidation(last, job.name);
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
    hasVersions: await hasVersions(world, store, job),
    validatedAt: isoOf(last?.started_at ?? (last?.queued_at as Date)),
    ...(await othersOf(world, job.id, source)),
    excluded: counters.items.excluded,
  };
}

async function othersOf(
  { db }: Pick<ControlWorld, 'db'>,
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

/** Only where all versions are copied does anybody look; that none was seen proves nothing. */
async function hasVersions(world: ControlWorld, store: RunStore, job: Job): Promise<true | null> {
  if (job.settings.versions !== 'all') return null;
  const row = await world.db
    .selectFrom('runs')
    .select('id')
    .where('job_id', '=', job.id)
    .where('has_snapshot', '=', true)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  const record = row === undefined ? null : await store.getRun(row.id);
  const index = await loadSnapshotIndex(world.artifacts, record);
  if (index === null) return null;
  let rows = 0;
  for await (const { source } of snapshotRows(world.artifacts, index, 'keys', { from: null, to: null })) {
    if (source.versionId !== null && source.versionId !== 'null') return true;
    if (++rows >= ROWS_LOOKED_AT_MAX) break;
  }
  return null;
}

function expectCleanValidation(
  last: { readonly kind: string; readonly state: string; readonly counters: unknown } | undefined,
  jobName: string,
): Counters {
  const refuse = (message: string): DroverError =>
    new DroverError('WRONG_STATE', message, { remedy: 'Start a run of the kind "validate" and ask again after it.' });
  if (last === undefined || last.kind !== 'validate') {
    throw refuse(`The job "${jobName}" was not validated since its last run.`);
  }
  const counters = last.counters as Counters;
  const run = { kind: 'validate', state: last.state as Run['state'] } as const;
  const findings = findingsOf({
    run,
    counters,
    bothSides: { notCompared: '', isFault: false },
    comparedNow: { notCompared: '', isFault: false },
    readBack: { notReadBack: '', isFault: false },
    acceptV0: false,
  });
  if (findings.length > 0) throw refuse(`The last validation was not clean. ${findings.join(' ')}`);
  return counters;
}
