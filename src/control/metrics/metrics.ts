/** What `/metrics` shows. Everything is read from the database when somebody asks, so that all servers say the same. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { sql } from 'kysely';
import type { ControlWorld, Db } from '../world.ts';
import { METRICS, type MetricDefinition, type MetricName } from './names.ts';
import { isCountedAt, type Counted } from './traffic.ts';

export interface Metrics {
  /** Prometheus text, version 0.0.4. */
  text(): Promise<string>;
}

type Labels = Readonly<Record<string, string>>;
type Set = (name: MetricName, labels: Labels, value: number) => void;

/** Runs that go on, and those of the last day. */
const RECENT = sql`(runs.state IN ('running', 'pausing', 'cancelling') OR runs.ended_at > now() - interval '1 day')`;
/** What was under way so long ago is not "now". Rows are written every three seconds while something is under way. */
const BUSY_FRESH_SECONDS = 15;

export function openMetrics({ db }: Pick<ControlWorld, 'db'>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const shown = new Map<MetricName, Counter | Gauge>();
  for (const [key, definition] of Object.entries(METRICS)) {
    const { name, help, labels, type } = definition as MetricDefinition;
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    shown.set(key as MetricName, type === 'counter' ? new Counter(options) : new Gauge(options));
  }
  const read = async (): Promise<string> => {
    const values: (readonly [MetricName, Labels, number])[] = [];
    const set: Set = (name, labels, value) => void values.push([name, labels, value]);
    await Promise.all([counts(db, set), traffic(db, set), perConnector(db, set), heldBack(db, set)]);
    for (const metric of shown.values()) metric.reset();
    for (const [name, labels, value] of values) shown.get(name)?.inc(labels, value);
    return registry.metrics();
  };
  // Whoever asks meanwhile gets the same: the metrics are one set.
  let reading: Promise<string> | null = null;
  return {
    text() {
      reading ??= read().finally(() => (reading = null));
      return reading;
    },
  };
}

async function counts(db: Db, set: Set): Promise<void> {
  const { rows } = await sql<{ name: MetricName; label: string | null; value: number }>`
    SELECT 'runs' AS name, state AS label, count(*)::float8 AS value FROM runs GROUP BY state
    UNION ALL SELECT 'queue', NULL, count(*)::float8 FROM runs WHERE state = 'queued'
    UNION ALL SELECT 'workers', state, count(*)::float8 FROM workers WHERE state <> 'gone' GROUP BY state
    UNION ALL SELECT 'segments', CASE WHEN segments.state = 'open' AND worker_id IS NOT NULL THEN 'held' ELSE segments.state END,
      count(*)::float8 FROM segments JOIN runs ON runs.id = segments.run_id
      WHERE runs.state IN ('running', 'pausing', 'cancelling') GROUP BY 2
    UNION ALL SELECT 'lockWaits', NULL, coalesce(sum(lock_wait_ms), 0)::float8 / 1000
      FROM segments JOIN runs ON runs.id = segments.run_id WHERE ${RECENT}
    UNION ALL SELECT cost.name, cost.worker, sum(cost.value)::float8 FROM run_workers
      JOIN runs ON runs.id = run_workers.run_id AND ${RECENT} JOIN workers ON workers.id = run_workers.worker_id,
      LATERAL (VALUES ('claims', workers.name, run_workers.claims::float8), ('idle', workers.name, run_workers.idle_ms / 1000.0))
        AS cost (name, worker, value) GROUP BY 1, 2
    UNION ALL SELECT 'deliveries', NULL, count(*)::float8 FROM deliveries WHERE state = 'pending'
    UNION ALL SELECT 'attention', NULL, count(*)::float8 FROM connectors WHERE health = 'needs-attention'
  `.execute(db);
  for (const { name, label, value } of rows) {
    const [labelName] = METRICS[name].labels as readonly string[];
    set(name, labelName === undefined || label === null ? {} : { [labelName]: label }, value);
  }
}

/** What the last word of a counted number is called. */
const LAST_LABELS: Readonly<Record<Counted, string | null>> = {
  requests: 'class',
  seconds: 'class',
  throttles: 'class',
  retries: 'code',
  items: 'outcome',
  bytes: null,
  takeovers: null,
};

/** Sums over all processes that have ever counted. */
async function traffic(db: Db, set: Set): Promise<void> {
  const { rows } = await sql<{ connector: string; key: string; value: number }>`
    SELECT connectors.name AS connector, one.key, sum(one.value::float8) AS value
    FROM traffic JOIN connectors ON connectors.id = traffic.connector_id, jsonb_each_text(traffic.counts) AS one
    GROUP BY connectors.name, one.key
    UNION ALL SELECT connectors.name, one.key, sum(one.value::float8)
    FROM traffic JOIN connectors ON connectors.id = traffic.connector_id, jsonb_each_text(traffic.busy) AS one
    WHERE traffic.seen_at > clock_timestamp() - ${BUSY_FRESH_SECONDS} * interval '1 second'
    GROUP BY connectors.name, one.key`.execute(db);
  for (const { connector, key, value } of rows) {
    const [counted = '', side = '', last = ''] = key.split('/');
    if (counted === 'most') set('lanesMost', { connector, side }, value);
    else if (counted === 'busy' || counted === 'waiting') set('lanes', { connector, side, state: counted }, value);
    else if (counted === 'takeovers') set('takeovers', { connector }, value);
    else if (counted === 'items' && !isCountedAt(side, last)) continue;
    else if (counted in LAST_LABELS) {
      const label = LAST_LABELS[counted as Counted];
      set(counted as Counted, { connector, side, ...(label === null ? {} : { [label]: last }) }, value);
    }
  }
}

async function perConnector(db: Db, set: Set): Promise<void> {
  const { rows } = await sql<{ connector: string; side: string; queued: number; speed: number; pending: number }>`
    SELECT connectors.name AS connector, ends.side, count(*) FILTER (WHERE runs.state = 'queued')::float8 AS queued,
      coalesce(sum((live->>'bytesPerSecond')::float8) FILTER (WHERE runs.state = 'running'), 0) AS speed,
      coalesce(sum((live->>'pendingItems')::float8) FILTER (WHERE runs.state = 'running'), 0) AS pending
    FROM runs, LATERAL (VALUES ('source', runs.source_connector_id), ('target', runs.target_connector_id))
      AS ends (side, connector_id) JOIN connectors ON connectors.id = ends.connector_id
    WHERE runs.state IN ('queued', 'running') GROUP BY 1, 2`.execute(db);
  for (const { connector, side, queued, speed, pending } of rows) {
    set('queued', { connector, side }, queued);
    if (side !== 'source') continue;
    set('speed', { connector }, speed);
    set('pending', { connector }, pending);
  }
}

/** The connector is the one that asks for less, else the source's. */
async function heldBack(db: Db, set: Set): Promise<void> {
  const { rows } = await sql<{ by: string; connector: string; count: number }>`
    SELECT live->'limitedBy'->>'kind' AS by, connectors.name AS connector, count(*)::float8 AS count
    FROM runs JOIN connectors ON connectors.id =
      CASE WHEN live->'limitedBy'->>'kind' = 'target' THEN runs.target_connector_id ELSE runs.source_connector_id END
    WHERE runs.state = 'running' AND live->'limitedBy'->>'kind' <> 'none' GROUP BY 1, 2`.execute(db);
  for (const { by, connector, count } of rows) set('heldBack', { by, connector }, count);
}
