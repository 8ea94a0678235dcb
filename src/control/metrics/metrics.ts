/** What `/metrics` shows. Numbers of runs and connectors are read from the database when somebody asks. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { sql } from 'kysely';
import type { ControlWorld, Db } from '../world.ts';

export interface Metrics {
  /** Prometheus text, version 0.0.4. */
  text(): Promise<string>;
}

interface Definition {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

const DEFINITIONS = {
  runs: { name: 'drover_runs', help: 'Runs by state.', labels: ['state'] },
  queue: { name: 'drover_queue_depth', help: 'Runs that wait for their turn.', labels: [] },
  workers: { name: 'drover_workers', help: 'Workers by state.', labels: ['state'] },
  segments: { name: 'drover_segments', help: 'Segments of runs that go on: held, open or done.', labels: ['state'] },
  takeovers: {
    name: 'drover_lease_takeovers',
    help: 'Leases taken over from workers that fell silent, of runs that go on or ended within a day.',
    labels: [],
  },
  lockWaits: {
    name: 'drover_lease_lock_wait_seconds',
    help: 'Time workers waited for rows of leases, of runs that go on or ended within a day.',
    labels: [],
  },
  items: {
    name: 'drover_items',
    help: 'Items of runs that go on or ended within a day, by outcome and source connector.',
    labels: ['outcome', 'connector'],
  },
  bytes: {
    name: 'drover_bytes_copied',
    help: 'Bytes copied by runs that go on or ended within a day, by source connector.',
    labels: ['connector'],
  },
  requests: {
    name: 'drover_requests',
    help: 'Requests of runs that go on or ended within a day, by side, class and connector.',
    labels: ['side', 'class', 'connector'],
  },
  speed: {
    name: 'drover_bytes_per_second',
    help: 'Speed of runs that go on, by source connector.',
    labels: ['connector'],
  },
  heldBack: {
    name: 'drover_runs_held_back',
    help: 'Runs that go on and are slower than they could be: asked to by source or target, or by bandwidth, cpu, listing.',
    labels: ['by', 'connector'],
  },
  lanes: { name: 'drover_items_in_flight', help: 'Items being moved now, by source connector.', labels: ['connector'] },
  deliveries: { name: 'drover_messages_pending', help: 'Messages to subscribers that were not taken yet.', labels: [] },
  attention: {
    name: 'drover_connectors_needing_attention',
    help: 'Connectors that must be authorized again.',
    labels: [],
  },
} as const satisfies Record<string, Definition>;

type Name = keyof typeof DEFINITIONS;

/** Items of a class of run: those that go on, and those of the last day. */
const RECENT = sql`(runs.state IN ('running', 'pausing', 'cancelling') OR runs.ended_at > now() - interval '1 day')`;

export function openMetrics({ db }: Pick<ControlWorld, 'db'>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauges = new Map<Name, Gauge>();
  for (const [name, definition] of Object.entries(DEFINITIONS)) {
    const { name: metric, help, labels } = definition as Definition;
    gauges.set(name as Name, new Gauge({ name: metric, help, labelNames: [...labels], registers: [registry] }));
  }
  const read = async (): Promise<string> => {
    const values: (readonly [Name, Record<string, string>, number])[] = [];
    const set: SetGauge = (name, labels, value) => void values.push([name, labels, value]);
    await Promise.all([counts(db, set), perConnector(db, set), requests(db, set), heldBack(db, set)]);
    for (const gauge of gauges.values()) gauge.reset();
    for (const [name, labels, value] of values) gauges.get(name)?.set(labels, value);
    return registry.metrics();
  };
  // Whoever asks meanwhile gets the same: the gauges are one set.
  let reading: Promise<string> | null = null;
  return {
    text() {
      reading ??= read().finally(() => (reading = null));
      return reading;
    },
  };
}

type SetGauge = (name: Name, labels: Record<string, string>, value: number) => void;

async function counts(db: Db, set: SetGauge): Promise<void> {
  const { rows } = await sql<{ name: Name; label: string | null; value: number }>`
    SELECT 'runs' AS name, state AS label, count(*)::float8 AS value FROM runs GROUP BY state
    UNION ALL SELECT 'queue', NULL, count(*)::float8 FROM runs WHERE state = 'queued'
    UNION ALL SELECT 'workers', state, count(*)::float8 FROM workers WHERE state <> 'gone' GROUP BY state
    UNION ALL SELECT 'segments', CASE WHEN segments.state = 'open' AND worker_id IS NOT NULL THEN 'held' ELSE segments.state END,
      count(*)::float8 FROM segments JOIN runs ON runs.id = segments.run_id
      WHERE runs.state IN ('running', 'pausing', 'cancelling') GROUP BY 2
    UNION ALL SELECT 'takeovers', NULL, coalesce(sum(takeovers), 0)::float8
      FROM segments JOIN runs ON runs.id = segments.run_id WHERE ${RECENT}
    UNION ALL SELECT 'lockWaits', NULL, coalesce(sum(lock_wait_ms), 0)::float8 / 1000
      FROM segments JOIN runs ON runs.id = segments.run_id WHERE ${RECENT}
    UNION ALL SELECT 'deliveries', NULL, count(*)::float8 FROM deliveries WHERE state = 'pending'
    UNION ALL SELECT 'attention', NULL, count(*)::float8 FROM connectors WHERE health = 'needs-attention'
  `.execute(db);
  for (const { name, label, value } of rows) {
    const [labelName] = DEFINITIONS[name].labels as readonly string[];
    set(name, labelName === undefined || label === null ? {} : { [labelName]: label }, value);
  }
}

async function perConnector(db: Db, set: SetGauge): Promise<void> {
  const { rows } = await sql<{
    connector: string;
    copied: number;
    same: number;
    failed: number;
    unsupported: number;
    bytes: number;
    speed: number;
    lanes: number;
  }>`
    SELECT connectors.name AS connector,
      sum((counters->'items'->>'copied')::float8) AS copied, sum((counters->'items'->>'same')::float8) AS same,
      sum((counters->'items'->>'failed')::float8) AS failed,
      sum((counters->'items'->>'unsupported')::float8) AS unsupported,
      sum((counters->'bytes'->>'copied')::float8) AS bytes,
      coalesce(sum((live->>'bytesPerSecond')::float8) FILTER (WHERE runs.state = 'running'), 0) AS speed,
      coalesce(sum((live->>'pendingItems')::float8) FILTER (WHERE runs.state = 'running'), 0) AS lanes
    FROM runs JOIN connectors ON connectors.id = runs.source_connector_id WHERE ${RECENT} GROUP BY connectors.name
  `.execute(db);
  for (const { connector, bytes, speed, lanes, ...outcomes } of rows) {
    for (const [outcome, count] of Object.entries(outcomes)) set('items', { outcome, connector }, count ?? 0);
    set('bytes', { connector }, bytes ?? 0);
    set('speed', { connector }, speed);
    set('lanes', { connector }, lanes);
  }
}

async function requests(db: Db, set: SetGauge): Promise<void> {
  const { rows } = await sql<{ side: string; class: string; connector: string; count: number }>`
    SELECT sides.key AS side, classes.key AS class, connectors.name AS connector, sum(classes.value::float8) AS count
    FROM runs, jsonb_each(runs.requests) AS sides, jsonb_each_text(sides.value) AS classes, connectors
    WHERE ${RECENT} AND connectors.id = CASE sides.key WHEN 'source' THEN runs.source_connector_id ELSE runs.target_connector_id END
    GROUP BY 1, 2, 3
  `.execute(db);
  for (const { side, class: name, connector, count } of rows) set('requests', { side, class: name, connector }, count);
}

/** The connector is the one that asks for less, else the source's. */
async function heldBack(db: Db, set: SetGauge): Promise<void> {
  const { rows } = await sql<{ by: string; connector: string; count: number }>`
    SELECT live->'limitedBy'->>'kind' AS by, connectors.name AS connector, count(*)::float8 AS count
    FROM runs JOIN connectors ON connectors.id =
      CASE WHEN live->'limitedBy'->>'kind' = 'target' THEN runs.target_connector_id ELSE runs.source_connector_id END
    WHERE runs.state = 'running' AND live->'limitedBy'->>'kind' <> 'none' GROUP BY 1, 2
  `.execute(db);
  for (const { by, connector, count } of rows) set('heldBack', { by, connector }, count);
}
