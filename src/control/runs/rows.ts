/** Runs as rows, and as they are given out. */
import { sql } from 'kysely';
import type { RequestCounts } from '../../engine/ports.ts';
import { DroverError, type Failure } from '../../model/errors.ts';
import { storageMoverRunCodes } from '../../model/storage-mover-codes.ts';
import type { Counters, RunState } from '../../model/outcome.ts';
import type { Run, RunExpectation, RunKind, RunLive, RunTrigger, WaitReason } from '../entities.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, type Listing } from '../paging.ts';
import { isoOf, isoOrNull } from '../rows.ts';
import type { Db, Tx } from '../world.ts';
import { keptExpectation } from './expectation.ts';

export function runRows(db: Db | Tx) {
  return db
    .selectFrom('runs')
    .innerJoin('jobs', 'jobs.id', 'runs.job_id')
    .innerJoin('projects', 'projects.id', 'runs.project_id')
    .select([
      'runs.id',
      'runs.version',
      'runs.job_id',
      'runs.project_id',
      'runs.number',
      'runs.kind',
      'runs.trigger',
      'runs.created_by',
      'runs.source_path',
      'runs.target_path',
      'runs.state',
      'runs.waits',
      'runs.retry_of',
      'runs.scheduled_at',
      'runs.queued_at',
      'runs.started_at',
      'runs.ended_at',
      'runs.updated_at',
      'runs.error',
      'runs.counters',
      'runs.requests',
      'runs.active_ms',
      'runs.manifest_root',
      'runs.live',
      'runs.sequence',
      'runs.expected',
      'jobs.name as job_name',
      'projects.name as project_name',
      // What stands still for a reason of its own stands in no line.
      sql<number | null>`CASE WHEN runs.state = 'queued'
        AND coalesce(runs.waits ->> 'kind', '') NOT IN ('bandwidth', 'disk') THEN (
        SELECT count(*)::integer FROM runs AS ahead WHERE ahead.state = 'queued'
          AND (ahead.queued_at, ahead.id) <= (runs.queued_at, runs.id)) END`.as('queue_place'),
    ]);
}

export type RunListRow = Awaited<ReturnType<ReturnType<typeof runRows>['execute']>>[number];

export async function runRow(db: Db | Tx, id: string): Promise<RunListRow> {
  const row = await runRows(db).where('runs.id', '=', id).executeTakeFirst();
  if (row === undefined) throw new DroverError('ENTITY_NOT_FOUND', `There is no run with the id "${id}".`);
  return row;
}

export function runOf(row: RunListRow): Run {
  return {
    id: row.id,
    version: row.version,
    number: row.number,
    jobId: row.job_id,
    jobName: row.job_name,
    projectId: row.project_id,
    projectName: row.project_name,
    kind: row.kind as RunKind,
    trigger: row.trigger as RunTrigger,
    createdBy: row.created_by,
    sourcePath: row.source_path,
    targetPath: row.target_path,
    state: row.state as RunState,
    waits: row.waits as WaitReason | null,
    queuePlace: row.queue_place,
    retryOf: row.retry_of,
    scheduledAt: isoOrNull(row.scheduled_at),
    queuedAt: isoOf(row.queued_at),
    startedAt: isoOrNull(row.started_at),
    endedAt: isoOrNull(row.ended_at),
    error: row.error as Failure | null,
    storageMoverCodes: storageMoverRunCodes(row.state as RunState, (row.error as Failure | null)?.code ?? null),
    counters: row.counters as Counters,
    requests: row.requests as RequestCounts,
    durationMs: Math.round(Number(row.active_ms)),
    manifestRoot: row.manifest_root,
    live: row.live as RunLive | null,
    expected: expectedOf(row.expected),
    sequence: Number(row.sequence),
    asOf: isoOf(row.updated_at),
  };
}

/** One value by itself: an index with that column first then holds the rest in order. */
const anyOf = (column: string) => (values: readonly string[]) =>
  values.length === 1
    ? sql<boolean>`${sql.raw(column)} = ${values[0]}`
    : sql<boolean>`${sql.raw(column)} = ANY(${values as string[]}::text[])`;

/** By text, so that an id that is none finds nothing instead of failing. */
const anyUuid = (...columns: string[]) => {
  return (values: readonly string[]) => {
    const ids = values.filter((value) => /^[0-9a-f-]{36}$/i.test(value));
    const one = (column: string) => sql<boolean>`${sql.raw(column)} = ANY(${ids}::uuid[])`;
    return sql<boolean>`(${sql.join(columns.map(one), sql` OR `)})`;
  };
};

function momentOf(values: readonly string[], field: string): Date {
  const at = Date.parse(values[0] ?? '');
  if (values.length === 1 && Number.isFinite(at)) return new Date(at);
  throw new DroverError('INVALID_INPUT', 'Give one moment, such as 2026-03-01T00:00:00Z.', {
    field: `filter.${field}`,
  });
}

export const RUN_LISTING: Omit<Listing<RunListRow>, 'query'> = {
  sorts: {
    queuedAt: { sql: 'runs.queued_at', type: 'timestamptz' },
    startedAt: { sql: 'runs.started_at', type: 'timestamptz', nullable: true },
    endedAt: { sql: 'runs.ended_at', type: 'timestamptz', nullable: true },
    duration: { sql: 'runs.active_ms', type: 'bigint' },
    bytes: { sql: 'runs.bytes_order', type: 'bigint' },
    failed: { sql: 'runs.failed_order', type: 'bigint' },
  },
  defaultSort: '-queuedAt',
  id: { sql: 'runs.id', type: 'text' },
  ...filtersOf(FILTERS.runs, {
    id: anyOf('runs.id'),
    state: anyOf('runs.state'),
    kind: anyOf('runs.kind'),
    trigger: anyOf('runs.trigger'),
    projectId: anyUuid('runs.project_id'),
    jobId: anyUuid('runs.job_id'),
    connectorId: anyUuid('runs.source_connector_id', 'runs.target_connector_id'),
    from: (values) => sql<boolean>`runs.queued_at >= ${momentOf(values, 'from')}`,
    to: (values) => sql<boolean>`runs.queued_at < ${momentOf(values, 'to')}`,
  }),
  searched: 'jobs.name',
  idOf: ({ id }) => id,
};

function expectedOf(text: string | null): RunExpectation | null {
  const kept = keptExpectation(text);
  if (kept === null) return null;
  const { cuts: _cuts, ...expected } = kept;
  return expected;
}
