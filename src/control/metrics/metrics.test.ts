import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from '../../../test/control/made.ts';
import { watchQueries } from '../../../test/control/plans.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { newId } from '../ids.ts';
import { openMetrics } from './metrics.ts';
import { METRICS } from './names.ts';
import { Traffic } from './traffic.ts';

let world: TestWorld;
let job: MadeJob;
/** With everything that a label's value must not end early with. */
const NAME = 'Old "S3"\\\nof Ana';

beforeAll(async () => {
  world = await openTestWorld();
  const source = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  const target = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'g' });
  await sql`UPDATE connectors SET name = ${NAME}, health = 'needs-attention' WHERE id = ${source}`.execute(world.db);
  await sql`UPDATE connectors SET name = 'New' WHERE id = ${target}`.execute(world.db);
  job = await makeJob(world, { connectorId: source, container: 's' }, { connectorId: target, container: 't' });
});
afterAll(async () => world.close());

async function makeRun(id: string, state: string, endedDaysAgo: number | null = null): Promise<void> {
  await makeRunRow(world, job, id, { state });
  const live = { bytesPerSecond: 50, pendingItems: 4, limitedBy: { kind: 'target' } };
  await sql`UPDATE runs SET live = ${JSON.stringify(live)}::jsonb,
    ended_at = now() - ${endedDaysAgo} * interval '1 day' WHERE id = ${id}`.execute(world.db);
}

/** Prometheus text as its scrapers read it: every line is a comment or a sample. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || /^# (?:HELP|TYPE) [a-zA-Z_:][\w:]* /.test(line)) continue;
    const label = '[a-zA-Z_]\\w*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
    const match = new RegExp(`^([a-zA-Z_:][\\w:]*(?:\\{${label}(?:,${label})*\\})?) (\\S+)$`).exec(line);
    const isNumber = !Number.isNaN(Number(match?.[2])) || match?.[2]?.toLowerCase() === 'nan';
    if (match === null || !isNumber) throw new Error(`not a sample: ${line}`);
    samples.set(match[1] ?? '', Number(match[2]));
  }
  return samples;
}

const CONNECTOR = 'connector="Old \\"S3\\"\\\\\\nof Ana"';

test('shows sums per connector, over all processes that have ever counted, with every name escaped', async () => {
  await makeRun('metricsa1', 'running');
  await makeRun('metricsa2', 'succeeded', 0.5);
  await makeRun('metricsa3', 'succeeded', 2);
  await makeRun('metricsa4', 'queued');
  await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
    VALUES (gen_random_uuid(), 'w', 'h', 1, '1', 1, 'active', now(), now())`.execute(world.db);
  await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters, takeovers, lock_wait_ms, worker_id)
    VALUES ('metricsa1', 'a', 'keys', 'open', '{}', 2, 500, gen_random_uuid()),
      ('metricsa1', 'b', 'keys', 'done', '{}', 1, 0, null), ('metricsa3', 'a', 'keys', 'done', '{}', 9, 0, null)`.execute(
    world.db,
  );
  for (const [run, claims] of [
    ['metricsa1', 4],
    ['metricsa2', 3],
    ['metricsa3', 90],
  ] as const) {
    await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at, claims, idle_ms)
      SELECT ${run}, id, now(), now(), ${claims}, 1500 FROM workers`.execute(world.db);
  }
  for (const times of [1, 2]) {
    const traffic = new Traffic(newId(world));
    const { source, target } = { source: job.source.connectorId, target: job.target.connectorId };
    for (let at = 0; at < times; at++) {
      traffic.add(source, 'requests', 'source', 'LIST', 3);
      traffic.add(source, 'seconds', 'source', 'LIST', 0.5);
      traffic.add(target, 'requests', 'target', 'PUT', 5);
      traffic.add(target, 'requests', 'server', 'HEAD');
      traffic.add(target, 'throttles', 'target', 'PUT', 2);
      traffic.retried(target, 'target', 'THROTTLED');
      traffic.add(source, 'takeovers', 'source', 'leases');
      const items = { ...ZERO_COUNTERS.items, copied: 5, failed: 2, excluded: 4, deleted: 7, unsupported: 1 };
      traffic.settled(
        { source, target },
        { ...ZERO_COUNTERS, items, deletesFailed: 3, bytes: { ...ZERO_COUNTERS.bytes, scanned: 900, copied: 700 } },
      );
    }
    const lanes = { inFlight: 3, waiting: 1, waitingForRate: 0, ceiling: 32, throttledUntilMs: null, throttles: 0 };
    traffic.watch(target, 'target', () => lanes);
    await traffic.write(world.db);
  }
  // What is under way is shown, however long the machine stands still until it is asked for.
  await sql`UPDATE traffic SET seen_at = clock_timestamp() + interval '50 seconds'`.execute(world.db);
  // As it was counted once, at both ends.
  const before = new Traffic(newId(world));
  for (const outcome of ['deleted', 'copied']) before.add(job.source.connectorId, 'items', 'source', outcome, 2);
  before.add(job.target.connectorId, 'items', 'target', 'excluded', 2);
  await before.write(world.db);
  const text = await openMetrics(world).text();
  const samples = parse(text);
  const expected: [string, number][] = [
    ['drover_runs{state="running"}', 1],
    ['drover_runs{state="succeeded"}', 2],
    ['drover_queue_depth', 1],
    [`drover_connector_queue_depth{${CONNECTOR},side="source"}`, 1],
    ['drover_segments{state="held"}', 1],
    ['drover_segments{state="done"}', 1],
    [`drover_lease_takeovers_total{${CONNECTOR}}`, 3],
    ['drover_lease_lock_wait_seconds', 0.5],
    ['drover_lease_claims{worker="w"}', 7],
    ['drover_lease_idle_seconds{worker="w"}', 3],
    [`drover_items_total{${CONNECTOR},side="source",outcome="copied"}`, 17],
    ['drover_items_total{connector="New",side="target",outcome="failed"}', 6],
    ['drover_items_total{connector="New",side="target",outcome="deleted"}', 21],
    ['drover_items_total{connector="New",side="target",outcome="delete-failed"}', 9],
    [`drover_items_total{${CONNECTOR},side="source",outcome="excluded"}`, 12],
    [`drover_items_total{${CONNECTOR},side="source",outcome="unsupported"}`, 3],
    ['drover_items_total{connector="New",side="target",outcome="unsupported"}', 3],
    [`drover_bytes_copied_total{${CONNECTOR},side="source"}`, 2_100],
    [`drover_bytes_per_second{${CONNECTOR}}`, 50],
    [`drover_items_in_flight{${CONNECTOR}}`, 4],
    [`drover_requests_total{${CONNECTOR},side="source",class="LIST"}`, 9],
    [`drover_request_seconds_total{${CONNECTOR},side="source",class="LIST"}`, 1.5],
    ['drover_requests_total{connector="New",side="target",class="PUT"}', 15],
    ['drover_requests_total{connector="New",side="server",class="HEAD"}', 3],
    ['drover_throttles_total{connector="New",side="target",class="PUT"}', 6],
    ['drover_retries_total{connector="New",side="target",code="THROTTLED"}', 3],
    ['drover_lanes{connector="New",side="target",state="busy"}', 6],
    ['drover_lanes{connector="New",side="target",state="waiting"}', 2],
    ['drover_lanes_max{connector="New",side="target"}', 64],
    ['drover_runs_held_back{by="target",connector="New"}', 1],
    ['drover_connectors_needing_attention', 1],
    ['drover_messages_pending', 0],
  ];
  for (const [name, value] of expected) expect([name, samples.get(name)]).toEqual([name, value]);
  // Nothing is ever deleted at a source, and what a filter keeps out no target hears of.
  const atWrongSide = /side="source",outcome="delete|side="target",outcome="excluded/;
  expect([...samples.keys()].filter((name) => atWrongSide.test(name))).toEqual([]);
  expect([...samples.keys()].some((name) => name.startsWith('process_cpu'))).toBe(true);
  // Whatever is documented is there, and whatever is there is documented, with its type and its labels.
  const foreign = /^(?:process|nodejs)_/;
  const shown = new Map<string, Set<string>>();
  for (const sample of samples.keys()) {
    const [, name = '', labels = ''] = /^([^{]+)(?:\{(.*)\})?$/s.exec(sample) ?? [];
    if (foreign.test(name)) continue;
    const names = shown.get(name) ?? new Set();
    for (const [, label = ''] of labels.matchAll(/(?:^|",)(\w+)="/g)) names.add(label);
    shown.set(name, names);
  }
  const documented = Object.values(METRICS).map(({ name, labels }) => [name, [...labels].toSorted()]);
  expect([...shown].map(([name, labels]) => [name, [...labels].toSorted()]).toSorted()).toEqual(documented.toSorted());
  for (const { name, type, help } of Object.values(METRICS)) {
    expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
    expect(name.endsWith('_total')).toBe(type === 'counter');
  }
});

test('what is under way is shown only as long as somebody says so', async () => {
  await sql`UPDATE traffic SET seen_at = clock_timestamp() - interval '20 seconds'`.execute(world.db);
  const samples = parse(await openMetrics(world).text());
  expect([...samples.keys()].filter((name) => name.startsWith('drover_lanes'))).toEqual([]);
  expect(samples.get('drover_requests_total{connector="New",side="target",class="PUT"}')).toBe(15);
});

test('asked for by several at once, it answers each in full', async () => {
  const metrics = openMetrics(world);
  const readings = [metrics.text(), metrics.text(), metrics.text()];
  expect(new Set(readings).size).toBe(1);
  const texts = await Promise.all(readings);
  for (const text of texts) expect(parse(text).get('drover_runs{state="running"}')).toBe(1);
  await sql`UPDATE runs SET state = 'succeeded' WHERE id = 'metricsa1'`.execute(world.db);
  expect(parse(await metrics.text()).get('drover_runs{state="running"}')).toBeUndefined();
});

/** Beside 100 rows of traffic with 30 counters each. */
const ROWS_READ_MAX = 5_000;

test('with 100,000 runs on record it reads few of them, and counts them in an index', async () => {
  // All of one job: keeping that job in step a hundred thousand times is not what is measured.
  await sql`ALTER TABLE runs DISABLE TRIGGER job_follows_run`.execute(world.db);
  await sql`INSERT INTO runs (id, job_id, project_id, number, kind, trigger, created_by, transfer_id, pair_id, definition,
      snapshot, source_connector_id, target_connector_id, source_path, target_path, target_fingerprint, target_container,
      target_prefix, state, queued_at, started_at, ended_at, updated_at, counters, requests)
    SELECT 'many' || n, job_id, project_id, n + 1000, kind, trigger, created_by, transfer_id, pair_id, definition, snapshot,
      source_connector_id, target_connector_id, source_path, target_path, target_fingerprint, target_container,
      target_prefix, 'succeeded', queued_at, started_at, now() - n * interval '5 minutes', updated_at, counters, requests
    FROM runs, generate_series(1, 100000) AS n WHERE id = 'metricsa3'`.execute(world.db);
  // A busy fleet of ten, and what it was before.
  const kinds = Array.from({ length: 30 }, (_, at) => [`requests/source/CLASS${at}`, at]);
  await sql`INSERT INTO traffic (connector_id, writer_id, counts, seen_at)
    SELECT id, gen_random_uuid(), ${JSON.stringify(Object.fromEntries(kinds))}::jsonb, now()
    FROM connectors, generate_series(1, 50)`.execute(world.db);
  await sql`VACUUM ANALYZE runs`.execute(world.db);
  const watched = watchQueries(world);
  const metrics = openMetrics({ ...world, db: watched.db });
  const heavy = await watched.heavySteps(() => metrics.text(), ROWS_READ_MAX);
  // How many there are in each state is counted in the index alone, once.
  expect(heavy).toEqual([expect.stringMatching(/^Index Only Scan runs runs_state: /)]);
});
