/** Jobs as rows, and everything a run needs to know about its job. */
import { identityBelow, placeBelow } from '../../contract/places.ts';
import type { Place, PlaceIdentity, TargetFacts } from '../../contract/provider.ts';
import type { BandwidthTimetable } from '../../engine/definition.ts';
import { ZERO_COUNTERS, type Counters, type RunState } from '../../model/outcome.ts';
import type { CloudRow } from '../connectors/rows.ts';
import type { CloudAccount, Job, JobSettings, JobType, RunBrief, RunKind } from '../entities.ts';
import { keptIdentity } from '../endpoints/identity.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import { found, isoOf, isoOrNull, isUuid, keptOf } from '../rows.ts';
import type { Db, Tx } from '../world.ts';

export function jobRows(db: Db | Tx) {
  return db
    .selectFrom('jobs')
    .innerJoin('projects', 'projects.id', 'jobs.project_id')
    .innerJoin('endpoints as source', 'source.id', 'jobs.source_endpoint_id')
    .innerJoin('connectors as source_connector', 'source_connector.id', 'source.connector_id')
    .innerJoin('endpoints as target', 'target.id', 'jobs.target_endpoint_id')
    .innerJoin('connectors as target_connector', 'target_connector.id', 'target.connector_id')
    .leftJoin('runs as last', 'last.id', 'jobs.last_run_id')
    .selectAll('jobs')
    .select([
      'projects.name as project_name',
      'source.name as source_name',
      'source_connector.provider as source_provider',
      'target.name as target_name',
      'target_connector.provider as target_provider',
      'last.number as last_number',
      'last.kind as last_kind',
      'last.state as last_state_now',
      'last.started_at as last_started_at',
      'last.ended_at as last_ended_at',
      'last.active_ms as last_active_ms',
      'last.counters as last_counters',
      'last.sequence as last_sequence',
      'last.updated_at as last_as_of',
    ]);
}

export type JobRow = Awaited<ReturnType<ReturnType<typeof jobRows>['execute']>>[number];

export async function jobRow(db: Db | Tx, id: string): Promise<JobRow> {
  const row = isUuid(id) ? await jobRows(db).where('jobs.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'job', id);
}

export function jobOf(row: JobRow): Job {
  return {
    ...keptOf(row),
    projectId: row.project_id,
    projectName: row.project_name,
    name: row.name,
    description: row.description,
    type: row.type as JobType,
    source: {
      endpointId: row.source_endpoint_id,
      endpointName: row.source_name,
      provider: row.source_provider,
      subPath: row.source_sub_path,
      fullPath: row.source_full_path,
    },
    target: {
      endpointId: row.target_endpoint_id,
      endpointName: row.target_name,
      provider: row.target_provider,
      subPath: row.target_sub_path,
      fullPath: row.target_full_path,
    },
    settings: { ...DEFAULT_SETTINGS, ...(JSON.parse(row.settings) as Partial<JobSettings>) },
    tuning: { transfersMax: row.transfers_max, timetableId: row.timetable_id },
    lastRun: lastRunOf(row),
    nextRunAt: isoOrNull(row.next_run_at),
  };
}

function lastRunOf(row: JobRow): RunBrief | null {
  if (row.last_run_id === null || row.last_number === null) return null;
  return {
    id: row.last_run_id,
    number: row.last_number,
    kind: row.last_kind as RunKind,
    state: row.last_state_now as RunState,
    startedAt: isoOrNull(row.last_started_at),
    endedAt: isoOrNull(row.last_ended_at),
    durationMs: Number(row.last_active_ms ?? 0),
    items: ((row.last_counters ?? ZERO_COUNTERS) as Counters).items,
    sequence: Number(row.last_sequence ?? 0),
    asOf: isoOf(row.last_as_of ?? row.updated_at),
  };
}

/** One side of a job, ready to be opened. */
export interface EndFacts {
  readonly endpointId: string;
  readonly endpointName: string;
  readonly connectorId: string;
  readonly connectorName: string;
  readonly provider: string;
  /** That its connector was set up for; `null`: it stands for no cloud account. */
  readonly permission: CloudAccount['permission'] | null;
  /** Of the account. */
  readonly fingerprint: string;
  /** Endpoint and sub-path. */
  readonly place: Place;
  readonly subPath: string;
  /** Of the place, as it was known when somebody looked last. */
  readonly identity: PlaceIdentity;
  readonly fullPath: string;
  /** What the endpoint's store was seen to honour. */
  readonly facts: TargetFacts | null;
}

export interface JobFacts {
  readonly job: Job;
  readonly source: EndFacts;
  readonly target: EndFacts;
  readonly bandwidth: BandwidthTimetable | null;
}

/** Everything a run is made from. ENTITY_NOT_FOUND. */
export async function jobFacts(db: Db | Tx, id: string): Promise<JobFacts> {
  const job = jobOf(await jobRow(db, id));
  const [source, target] = await Promise.all([
    endFacts(db, job.source.endpointId, job.source.subPath, job.source.fullPath),
    endFacts(db, job.target.endpointId, job.target.subPath, job.target.fullPath),
  ]);
  return { job, source, target, bandwidth: await bandwidthOf(db, job.tuning.timetableId) };
}

export async function endFacts(
  db: Db | Tx,
  endpointId: string,
  subPath: string,
  fullPath: string | null,
): Promise<EndFacts> {
  const row = isUuid(endpointId)
    ? await db
        .selectFrom('endpoints')
        .innerJoin('connectors', 'connectors.id', 'endpoints.connector_id')
        .select([
          'endpoints.id',
          'endpoints.name',
          'endpoints.place',
          'endpoints.full_path',
          'endpoints.facts',
          'endpoints.identity',
          'connectors.id as connector_id',
          'connectors.name as connector_name',
          'connectors.provider',
          'connectors.fingerprint',
          'connectors.cloud',
        ])
        .where('endpoints.id', '=', endpointId)
        .executeTakeFirst()
    : undefined;
  const end = found(row, 'endpoint', endpointId);
  const place = JSON.parse(end.place) as Place;
  return {
    endpointId: end.id,
    endpointName: end.name,
    connectorId: end.connector_id,
    connectorName: end.connector_name,
    provider: end.provider,
    permission: (end.cloud as CloudRow | null)?.permission ?? null,
    fingerprint: end.fingerprint,
    place: placeBelow(place, subPath),
    subPath,
    identity: identityBelow(keptIdentity(end.identity, place, end.fingerprint), subPath),
    fullPath: fullPath ?? end.full_path + subPath,
    facts: end.facts as TargetFacts | null,
  };
}

async function bandwidthOf(db: Db | Tx, timetableId: string | null): Promise<BandwidthTimetable | null> {
  if (timetableId === null) return null;
  const row = await db.selectFrom('timetables').select('timetable').where('id', '=', timetableId).executeTakeFirst();
  return (row?.timetable as BandwidthTimetable | undefined) ?? null;
}
