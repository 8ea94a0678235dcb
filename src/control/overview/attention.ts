/**
 * What needs somebody: each with what happened, why, what to do and where. Every part reads few rows, however many
 * runs, schedules and messages there are.
 */
import { sql, type RawBuilder } from 'kysely';
import type { Failure } from '../../model/errors.ts';
import { ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import type { Attention } from '../services.ts';
import type { Db } from '../world.ts';

export const ATTENTION_MAX = 100;
/** One more of each kind is read, so that it is known whether there are more than are shown. */
const READ_MAX = ATTENTION_MAX + 1;
/** A worker that fell silent is spoken of so long. */
const GONE_HOURS = 24;
/** Says so every 3 s. */
const SILENT_S = 30;
/** Logs that could not be removed so often are spoken of. */
const CLEANING_ATTEMPTS = 5;

/** Of what sort an entry is: of one entity there can be one of each. */
type What =
  | 'connector'
  | 'inventory'
  | 'failed-run'
  | 'waiting-run'
  | 'files-of-run'
  | 'schedule'
  | 'subscription'
  | 'worker'
  | 'no-worker'
  | 'artifact';

type Row = Omit<Attention, 'at' | 'kind' | 'runs' | 'link' | 'mark'> & {
  readonly at: Date;
  readonly runs?: number;
  readonly link?: string;
  /** How new it is: what is newer was not looked at yet. Left out: `at`. */
  readonly since?: Date;
  /** Hash of its reason, where another one makes it another entry. */
  readonly cause?: string;
};

/** What is known of an entry by its mark. */
export interface Marked {
  readonly what: string;
  readonly entityId: string;
  readonly since: Date;
  readonly cause: string;
}

/** For an entity that there is only one of. */
const NO_ID = '-';
const MARK = /^([a-z-]+)\.([\w-]+)\.(\d{1,15})\.([0-9a-f]*)$/;

/** `null`: it is none. */
export function markedBy(mark: string): Marked | null {
  const parts = MARK.exec(mark);
  if (parts === null) return null;
  const [, what, entityId, sinceMs, cause] = parts as unknown as [string, string, string, string, string];
  return { what, entityId, since: new Date(Number(sinceMs)), cause };
}

/** Nobody has dismissed it, or it is newer, or has another reason, than what was dismissed. Marks hold milliseconds. */
function isNew(what: What, id: RawBuilder<unknown>, since: RawBuilder<unknown>, cause = sql`''`): RawBuilder<boolean> {
  return sql`NOT EXISTS (SELECT FROM dismissals WHERE dismissals.what = ${sql.lit(what)}
    AND dismissals.entity_id = ${id} AND dismissals.cause = ${cause}
    AND dismissals.since + interval '1 millisecond' > ${since})`;
}

const NEVER = sql`'epoch'::timestamptz`;

export async function attentionOf(db: Db): Promise<{ attention: readonly Attention[]; moreAttention: boolean }> {
  const all = await Promise.all([
    connectorsOf(db),
    inventoriesOf(db),
    failedRunsOf(db),
    waitingRunsOf(db),
    uncleanedRunsOf(db),
    schedulesOf(db),
    subscriptionsOf(db),
    workersOf(db),
    noWorkersOf(db),
    artifactsOf(db),
  ]);
  const sorted = all.flat().toSorted((a, b) => b.at.localeCompare(a.at));
  return { attention: sorted.slice(0, ATTENTION_MAX), moreAttention: sorted.length > ATTENTION_MAX };
}

function shown(kind: Attention['kind'], what: What, rows: readonly Row[]): Attention[] {
  return rows.map(({ id, name, text, remedy, at, runs = 0, link, since = at, cause = '' }) => ({
    mark: `${what}.${id ?? NO_ID}.${since.getTime()}.${cause}`,
    kind,
    id,
    name,
    text,
    remedy,
    link: link ?? `/${kind}s/${id ?? ''}`,
    at: at.toISOString(),
    runs: Number(runs),
  }));
}

async function connectorsOf(db: Db): Promise<Attention[]> {
  const cause = sql`md5(coalesce(connectors.health_reason ->> 'message', ''))`;
  // Each further run that has to wait is news.
  const since = sql`coalesce(waiting.at, ${NEVER})`;
  const { rows } = await sql<CausedRow & { reason: Failure | null; runs: number }>`
    SELECT connectors.id, connectors.name, connectors.health_reason AS reason, waiting.runs,
      greatest(connectors.updated_at, connectors.checked_at, waiting.at) AS at, ${since} AS since, ${cause} AS cause
    FROM connectors CROSS JOIN LATERAL (
      SELECT count(*)::integer AS runs, max(runs.updated_at) AS at FROM runs WHERE runs.state = 'paused'
        AND (runs.source_connector_id = connectors.id OR runs.target_connector_id = connectors.id)) AS waiting
    WHERE connectors.health = 'needs-attention' AND ${isNew('connector', sql`connectors.id::text`, since, cause)}
    ORDER BY at DESC LIMIT ${READ_MAX}`.execute(db);
  return shown(
    'connector',
    'connector',
    rows.map(({ reason, ...row }) => ({
      ...row,
      text: reason?.message ?? 'It needs to be authorized again.',
      remedy: reason?.remedy ?? 'Reauthorize it; runs that wait for it go on by themselves.',
    })),
  );
}

async function inventoriesOf(db: Db): Promise<Attention[]> {
  const cause = sql`md5(coalesce(cloud #>> '{lastSyncError,message}', ''))`;
  const { rows } = await sql<CausedRow & { error: Failure }>`
    SELECT id, name, cloud -> 'lastSyncError' AS error,
      coalesce((cloud ->> 'lastSyncAt')::timestamptz, updated_at) AS at, ${NEVER} AS since, ${cause} AS cause
    FROM connectors WHERE jsonb_typeof(cloud -> 'lastSyncError') = 'object' AND health <> 'needs-attention'
      AND ${isNew('inventory', sql`connectors.id::text`, NEVER, cause)}
    ORDER BY at DESC LIMIT ${READ_MAX}`.execute(db);
  return shown(
    'connector',
    'inventory',
    rows.map(({ error, ...row }) => ({
      ...row,
      text: `Its inventory could not be taken. ${error.message}`,
      remedy: error.remedy ?? 'Test the connector, then refresh its inventory.',
    })),
  );
}

interface CausedRow {
  readonly id: string;
  readonly name: string;
  readonly at: Date;
  readonly since: Date;
  readonly cause: string;
}

interface RunRow {
  readonly id: string;
  readonly name: string;
  readonly error: Failure | null;
  readonly at: Date;
}

const RUN_NAME = sql`'Run ' || runs.number || ' of ' || projects.name || '/' || jobs.name AS name`;
const OF_PROJECT = sql`JOIN projects ON projects.id = jobs.project_id`;

/** The last ones made; also those in which objects failed, or that found something. Without those that were mended since. */
async function failedRunsOf(db: Db): Promise<Attention[]> {
  const { rows } = await sql<RunRow & { state: string; kind: string; counters: Partial<Counters> }>`
    SELECT runs.id, ${RUN_NAME}, runs.error, runs.state, runs.kind, runs.counters,
      coalesce(runs.ended_at, runs.updated_at) AS at
    FROM jobs JOIN runs ON runs.id = jobs.failed_run_id ${OF_PROJECT}
    WHERE jobs.failed_run_id IS NOT NULL
      AND ${isNew('failed-run', sql`jobs.failed_run_id`, sql`coalesce(runs.ended_at, runs.updated_at)`)}
    ORDER BY jobs.failed_run_id DESC LIMIT ${READ_MAX}`.execute(db);
  return shown(
    'run',
    'failed-run',
    rows.map(({ error, state, kind, counters, ...row }) => ({
      ...row,
      ...(state === 'failed'
        ? {
            text: `It failed. ${error?.message ?? 'Its log says why.'}`,
            remedy: `${error?.remedy ?? 'Look at its log.'} Then start the job again.`,
          }
        : issuesOf(kind, { ...ZERO_COUNTERS, ...counters })),
    })),
  );
}

function issuesOf(kind: string, counters: Counters): Pick<Attention, 'text' | 'remedy'> {
  const { items, deletesFailed } = counters;
  const { missing, different, extra } = counters.differences;
  const of = ` of ${items.scanned.toLocaleString('en')} objects`;
  const told: readonly (readonly [number, string])[] = [
    [missing, `${of} missing at the target.`],
    [different, `${of} different.`],
    [extra, ' only at the target.'],
    [items.failed, `${of} failed.`],
    [items.unsupported, `${of} cannot be moved.`],
    [deletesFailed, ' could not be deleted at the target.'],
    [
      kind === 'validate' ? counters.verification.V0 + counters.sameWeak : 0,
      `${of} compared by size alone: not proved.`,
    ],
  ];
  const text = told
    .filter(([count]) => count > 0)
    .map(([count, words]) => `${count.toLocaleString('en')}${words}`)
    .join(' ');
  return { text: text === '' ? 'It has ended with issues.' : text, remedy: remedyOf(kind, counters) };
}

function remedyOf(kind: string, { items, deletesFailed, differences }: Counters): string {
  if (kind === 'validate') {
    return differences.missing + differences.different + differences.extra > 0
      ? 'Look at its items, which say what differs. Then start the job again, and validate once more.'
      : 'Look at its items, which say why. Validate with "read-back" to have the content itself compared.';
  }
  if (items.failed > 0) return 'Look at its failed items, which say why and what to do. Then run again what failed.';
  return deletesFailed > 0
    ? 'Look at its failed items, which say why and what to do. Then start the job again, as a whole.'
    : 'Look at its unsupported items, which say why. What cannot be moved has to go another way, or be excluded.';
}

/** Paused by Drover itself, without a connector that is named already. */
async function waitingRunsOf(db: Db): Promise<Attention[]> {
  const { rows } = await sql<RunRow & { text: string }>`
    SELECT runs.id, ${RUN_NAME}, runs.error, runs.waits ->> 'text' AS text, runs.updated_at AS at
    FROM runs JOIN jobs ON jobs.id = runs.job_id ${OF_PROJECT}
    WHERE runs.state = 'paused' AND runs.waits ->> 'kind' = 'attention' AND NOT EXISTS (
      SELECT FROM connectors WHERE connectors.id = (runs.waits ->> 'connectorId')::uuid
        AND connectors.health = 'needs-attention') AND ${isNew('waiting-run', sql`runs.id`, sql`runs.updated_at`)}
    ORDER BY runs.updated_at DESC LIMIT ${READ_MAX}`.execute(db);
  return shown(
    'run',
    'waiting-run',
    rows.map((row) => ({ ...row, remedy: `${row.error?.remedy ?? 'Mend what it names.'} Then resume the run.` })),
  );
}

async function uncleanedRunsOf(db: Db): Promise<Attention[]> {
  const { rows } = await sql<RunRow & { since: Date }>`
    SELECT runs.id, ${RUN_NAME}, runs.cleaning_after AS at, ${NEVER} AS since
    FROM runs JOIN jobs ON jobs.id = runs.job_id ${OF_PROJECT}
    WHERE runs.cleaning_attempts >= ${CLEANING_ATTEMPTS} AND runs.cleaning_attempts > 0
      AND ${isNew('files-of-run', sql`runs.id`, NEVER)}
    ORDER BY runs.id LIMIT ${READ_MAX}`.execute(db);
  const text = 'Its logs have reached their age, and their files could not be removed.';
  const remedy = 'The log of the server says why; it is tried again once a day.';
  return shown(
    'run',
    'files-of-run',
    rows.map((row) => ({ ...row, text, remedy })),
  );
}

/** Whose last moment was skipped or refused, unless somebody has changed or disabled them since. */
async function schedulesOf(db: Db): Promise<Attention[]> {
  const { rows } = await sql<{ id: string; name: string; outcome: string; detail: string | null; at: Date }>`
    SELECT schedules.id, projects.name || '/' || jobs.name AS name, last.outcome, last.detail, last.at
    FROM schedules CROSS JOIN LATERAL (
      SELECT outcome, detail, at FROM schedule_events WHERE schedule_id = schedules.id ORDER BY number DESC LIMIT 1) AS last
    JOIN jobs ON jobs.id = schedules.job_id ${OF_PROJECT}
    WHERE schedules.last_outcome <> 'started' AND (schedules.enabled OR schedules.updated_at < last.at)
      AND ${isNew('schedule', sql`schedules.id::text`, sql`last.at`)}
    ORDER BY last.at DESC LIMIT ${READ_MAX}`.execute(db);
  return shown(
    'schedule',
    'schedule',
    rows.map(({ outcome, detail, ...row }) => ({
      ...row,
      text: `${outcome === 'skipped' ? 'Its last run was skipped.' : 'Its last run could not start.'} ${detail ?? ''}`,
      remedy:
        outcome === 'skipped'
          ? 'Look at what holds up the run before it, or leave more time between two runs.'
          : 'Mend what it names; the schedule tries again at its next time, or start the job now.',
    })),
  );
}

async function subscriptionsOf(db: Db): Promise<Attention[]> {
  const { rows } = await sql<{ id: string; name: string; messages: number; error: string | null; at: Date }>`
    SELECT subscriptions.id, subscriptions.name, failed.messages, last.error, last.at
    FROM (SELECT subscription_id, count(*)::integer AS messages, max(number) AS number FROM deliveries
      WHERE state = 'failed' GROUP BY subscription_id) AS failed
    JOIN deliveries AS last ON last.number = failed.number
    JOIN subscriptions ON subscriptions.id = failed.subscription_id
    WHERE subscriptions.enabled AND ${isNew('subscription', sql`subscriptions.id::text`, sql`last.at`)}
    ORDER BY last.at DESC LIMIT ${READ_MAX}`.execute(db);
  return shown(
    'subscription',
    'subscription',
    rows.map(({ messages, error, ...row }) => ({
      ...row,
      text: `${messages === 1 ? 'A message' : `${messages} messages`} could not be delivered. ${error ?? ''}`.trim(),
      remedy: 'Mend the receiver and send a test; then have what was given up sent again.',
    })),
  );
}

/** Those that fell silent without signing off, and that no other of the same name has taken the place of. */
async function workersOf(db: Db): Promise<Attention[]> {
  const { rows } = await sql<{ id: string; name: string; host: string; at: Date }>`
    SELECT id, name, host, seen_at AS at FROM workers
    WHERE state = 'gone' AND left_at IS NULL AND seen_at > clock_timestamp() - ${sql.lit(GONE_HOURS)} * interval '1 hour'
      AND NOT EXISTS (SELECT FROM workers AS next WHERE next.name = workers.name AND next.host = workers.host
        AND next.started_at > workers.started_at) AND ${isNew('worker', sql`workers.id::text`, sql`seen_at`)}
    ORDER BY seen_at DESC LIMIT ${READ_MAX}`.execute(db);
  return shown(
    'worker',
    'worker',
    rows.map(({ host, ...row }) => ({
      ...row,
      text: `It fell silent on ${host}, and does not work any more. Other workers go on with its runs.`,
      remedy: 'Look at its machine, and start it again with "drover worker".',
      link: '/workers',
    })),
  );
}

/** Runs that nobody is there for. */
async function noWorkersOf(db: Db): Promise<Attention[]> {
  // What is said of a run while it waits is no news.
  const { rows } = await sql<{ runs: number; at: Date; since: Date }>`
    SELECT * FROM (
      SELECT count(*)::integer AS runs, max(updated_at) AS at, max(queued_at) AS since FROM runs
      WHERE state IN ('queued', 'running', 'cancelling')
        AND NOT EXISTS (SELECT FROM workers
          WHERE state <> 'gone' AND seen_at > clock_timestamp() - ${sql.lit(SILENT_S)} * interval '1 second')
      HAVING count(*) > 0
    ) AS waiting WHERE ${isNew('no-worker', sql.lit(NO_ID), sql`waiting.since`)}`.execute(db);
  return shown(
    'worker',
    'no-worker',
    rows.map((row) => ({
      ...row,
      id: null,
      name: 'Workers',
      text: 'No worker is there.',
      remedy: 'Start one with "drover worker"; the runs go on by themselves then.',
      link: '/workers',
    })),
  );
}

/** Files that could not be made, unless another one like them was since. */
async function artifactsOf(db: Db): Promise<Attention[]> {
  const { rows } = await sql<{ id: string; name: string; error: Failure | null; at: Date }>`
    SELECT id, file_name AS name, error, created_at AS at FROM artifacts
    WHERE state = 'failed' AND NOT EXISTS (SELECT FROM artifacts AS later WHERE later.run_id = artifacts.run_id
      AND later.kind = artifacts.kind AND later.state IN ('ready', 'pending') AND later.created_at > artifacts.created_at)
      AND ${isNew('artifact', sql`artifacts.id::text`, sql`artifacts.created_at`)}
    ORDER BY created_at DESC LIMIT ${READ_MAX}`.execute(db);
  return shown(
    'artifact',
    'artifact',
    rows.map(({ error, ...row }) => ({
      ...row,
      text: `It could not be made. ${error?.message ?? ''}`.trim(),
      remedy: `${error?.remedy ?? ''} Have it made again.`.trim(),
    })),
  );
}
