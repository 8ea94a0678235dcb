/**
 * `npm run bench:server`: what the server costs beside the same work of `drover copy`, and how fast it answers. The
 * objects come from Ceph's gateway where one runs, else from the simulated S3 (a process of its own, not counted).
 *
 *   npm run bench:server -- [--objects 10000] [--rows 100000] [--pairs 3] [--idle-seconds 60] [--only start,idle,cost,lists]
 *
 * Needs Linux. Nothing else should run on the machine: the limits are those of a quiet one. Exits 1 when one is missed.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startS3, stopServers } from '../demo/servers.ts';
import { S3Store, type S3Access } from '../demo/stores.ts';
import { pause, type Api, type Made, type RunView } from '../test/soak/server-api.ts';
import { Installation, PROGRAM } from './installation.ts';
import { cpuSecondsOf, pssMibOf, timed } from './processes.ts';
import { databaseBytes, fillRows } from './rows.ts';

const { values: given } = parseArgs({
  options: {
    objects: { type: 'string', default: '10000' },
    rows: { type: 'string', default: '100000' },
    pairs: { type: 'string', default: '3' },
    'idle-seconds': { type: 'string', default: '60' },
    only: { type: 'string', default: 'start,idle,cost,lists' },
  },
});
const OBJECTS = Number(given.objects);
const ROWS = Number(given.rows);
const PAIRS = Number(given.pairs);
const IDLE_SECONDS = Number(given['idle-seconds']);
const wanted = new Set(given.only.split(','));
const OBJECT = Buffer.alloc(4_096, 'x');
const REQUESTS_OF_A_LIST = 200;
const BUCKET = `bench-${process.pid}`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
let isMissed = false;
function report(what: string, value: number, unit: string, limit: number | null): void {
  const missed = limit !== null && value > limit;
  isMissed ||= missed;
  const bound = limit === null ? '' : `   limit ${limit} ${unit}${missed ? '   MISSED' : ''}`;
  say(`  ${what.padEnd(44)} ${value.toFixed(2).padStart(9)} ${unit}${bound}`);
}

const folder = mkdtempSync(join(tmpdir(), 'drover-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const installation = new Installation(join(folder, 'data'));
let store: S3Store | null = null;
try {
  say('Start to ready');
  report('the first time', await installation.start(), 's', wanted.has('start') ? 8 : null);
  const token = await installation.setUp();
  await installation.stop();
  report('initialised', await installation.start(), 's', wanted.has('start') ? 3 : null);
  if (wanted.has('idle')) await idle();
  const { access } = await startS3(null);
  store = new S3Store(access);
  await store.makeContainer(BUCKET);
  say(`Planting ${OBJECTS} objects of 4 KiB …`);
  await plant(store);
  const api = installation.api(token);
  const jobs = await makeJobs(api, access);
  if (wanted.has('cost')) await cost(api, jobs, access);
  else await runOnce(api, await jobs.next(null));
  if (wanted.has('lists')) await lists(api, jobs, token);
} finally {
  await installation.stop();
  await stopServers();
}
process.exitCode = isMissed ? 1 : 0;

async function plant(into: S3Store): Promise<void> {
  let next = 0;
  const put = async (): Promise<void> => {
    while (next < OBJECTS)
      await into.put(BUCKET, `folder-${next % 20}/object-${(next++).toString().padStart(7, '0')}`, OBJECT);
  };
  await Promise.all(Array.from({ length: 8 }, put));
}

async function idle(): Promise<void> {
  // What follows a start (statistics, first checkpoints) is over by then.
  await pause(15_000);
  const before = cpuSecondsOf(installation.pid);
  await pause(IDLE_SECONDS * 1_000);
  say(`Idle for ${IDLE_SECONDS} s`);
  report('of one core', ((cpuSecondsOf(installation.pid) - before) / IDLE_SECONDS) * 100, '%', 2);
  report('memory (PSS, all processes)', pssMibOf(installation.pid), 'MiB', 250);
}

interface Jobs {
  /** A job to a new folder; `bytesPerSecond`: as slow as that. */
  next(bytesPerSecond: number | null): Promise<string>;
}

async function makeJobs(api: Api, access: S3Access): Promise<Jobs> {
  const targets = join(folder, 'targets');
  mkdirSync(targets, { recursive: true });
  const s3 = { ...access, region: 'us-east-1', pathStyle: true };
  const source = await api.once<Made>('POST', '/connectors', { provider: 's3', name: 'Buckets', config: s3 });
  const local = { provider: 'local', name: 'Folders', config: { root: targets } };
  const target = await api.once<Made>('POST', '/connectors', local);
  const endpoint = (kind: string, connectorId: string, container: string): Promise<Made> =>
    api.once('POST', '/endpoints', { kind, connectorId, place: { container, prefix: '' } });
  const from = await endpoint('source', source.id, BUCKET);
  const project = await api.once<Made>('POST', '/projects', { name: 'Bench' });
  let made = 0;
  return {
    async next(bytesPerSecond) {
      const name = `job-${made++}`;
      const place = join(targets, name);
      mkdirSync(place);
      const rules = [{ day: null, minuteOfDay: 0, bytesPerSecond }];
      const timetable = { timeZone: 'UTC', rules };
      const slow = bytesPerSecond === null ? null : await api.once<Made>('POST', '/timetables', { name, timetable });
      const job = await api.once<Made>('POST', `/projects/${project.id}/jobs`, {
        name,
        sourceEndpointId: from.id,
        targetEndpointId: (await endpoint('target', target.id, place)).id,
        ...(slow === null ? {} : { tuning: { timetableId: slow.id } }),
      });
      return job.id;
    },
  };
}

async function runOnce(api: Api, jobId: string): Promise<RunView> {
  const { id } = await api.once<Made>('POST', `/jobs/${jobId}/runs`, { kind: 'transfer' });
  for (;;) {
    const run = await api.get<RunView>(`/runs/${id}`);
    if (run.endedAt === null) await pause(250);
    else if (run.state === 'succeeded' && run.counters.items['copied'] === OBJECTS) return run;
    else throw new Error(`The run ended as ${run.state}: ${JSON.stringify(run.error ?? run.counters.items)}`);
  }
}

/** Pairs, one after the other, so that a machine that changes meanwhile changes both. */
async function cost(api: Api, jobs: Jobs, access: S3Access): Promise<void> {
  const environment = {
    DROVER_CONNECTOR_BENCH_PROVIDER: 's3',
    DROVER_CONNECTOR_BENCH_ENDPOINT: access.endpoint,
    DROVER_CONNECTOR_BENCH_ACCESS_KEY_ID: access.accessKeyId,
    DROVER_CONNECTOR_BENCH_SECRET_ACCESS_KEY: access.secretAccessKey,
    DROVER_CONNECTOR_BENCH_REGION: 'us-east-1',
    DROVER_CONNECTOR_BENCH_PATH_STYLE: 'true',
    DROVER_STATE: join(folder, 'state'),
  };
  const ratios: number[] = [];
  say(`${OBJECTS} objects of 4 KiB, S3 to a folder: processor time of all processes`);
  const beforeBytes = await databaseBytes(join(folder, 'data'));
  for (let pair = 1; pair <= PAIRS; pair++) {
    const target = join(folder, `copy-${pair}`);
    mkdirSync(target);
    const copied = await timed([PROGRAM, 'copy', `bench:${BUCKET}`, target], environment);
    if (copied.code !== 0) throw new Error(`drover copy failed: ${copied.output}`);
    const job = await jobs.next(null);
    const before = cpuSecondsOf(installation.pid);
    const run = await runOnce(api, job);
    // The end of a run is followed by its messages and the release of what it held.
    await pause(1_000);
    const used = cpuSecondsOf(installation.pid) - before;
    ratios.push(used / copied.cpuSeconds);
    const seconds = (Date.parse(run.endedAt ?? '') - Date.parse(run.queuedAt)) / 1000;
    say(
      `  pair ${pair}: copy ${copied.cpuSeconds.toFixed(2)} s (${copied.seconds.toFixed(1)} s passed), ` +
        `server ${used.toFixed(2)} s (${seconds.toFixed(1)} s passed)`,
    );
  }
  const median = ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? 0;
  report('more than drover copy (median of the pairs)', (median - 1) * 100, '%', 10);
  const grown = (await databaseBytes(join(folder, 'data'))) - beforeBytes;
  report('growth of the database by one run', grown / PAIRS / 1_048_576, 'MiB', null);
}

/** While a run goes on that is slow enough to last. */
async function lists(api: Api, jobs: Jobs, token: string): Promise<void> {
  say(`Filling in ${ROWS} jobs, runs and failed items …`);
  const { runId } = await fillRows(join(folder, 'data'), ROWS);
  const jobId = await jobs.next((OBJECTS * OBJECT.length) / 600);
  const going = await api.once<Made>('POST', `/jobs/${jobId}/runs`, { kind: 'transfer' });
  while ((await api.get<RunView>(`/runs/${going.id}`)).counters.items['copied'] === 0) await pause(250);
  say(`Lists of ${ROWS} entries while a run goes on: 95th percentile of ${REQUESTS_OF_A_LIST} requests`);
  const paths = [
    '/jobs',
    '/jobs?sort=-lastRunAt',
    '/jobs?sort=nextRunAt',
    '/jobs?sort=-nextRunAt&filter.state=failed',
    '/jobs?filter.state=failed',
    '/jobs?search=Filled%20job%209999',
    '/runs',
    '/runs?filter.state=failed',
    '/runs?sort=-startedAt&filter.kind=transfer',
    '/runs?sort=-bytes',
    '/runs?sort=bytes&filter.state=succeeded',
    '/runs?sort=-failed',
    '/runs?sort=-failed&filter.state=failed&filter.state=completed-with-issues',
    '/runs?sort=failed&filter.trigger=person',
    '/runs?at=0.7',
    `/runs/${runId}/items`,
    `/runs/${runId}/items?filter.code=CHANGED`,
    `/runs/${runId}/items?sort=-size`,
    `/runs/${runId}/items?search=file99`,
    '/connectors',
    '/endpoints',
    '/projects',
    '/timetables',
    '/overview',
  ];
  for (const path of paths) {
    const tookMs: number[] = [];
    for (let at = 0; at < REQUESTS_OF_A_LIST; at++) {
      const startedAt = performance.now();
      const response = await fetch(`${installation.url}/api/v1${path}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`${path} answered ${response.status}.`);
      tookMs.push(performance.now() - startedAt);
    }
    const sorted = tookMs.toSorted((a, b) => a - b);
    report(path.replace(runId, 'ID'), sorted[Math.floor(sorted.length * 0.95)] ?? 0, 'ms', 50);
  }
  const run = await api.get<RunView>(`/runs/${going.id}`);
  if (run.endedAt !== null) throw new Error('The run ended before the lists were measured; give more objects.');
  await api.once('POST', `/runs/${going.id}/cancel`);
  while ((await api.get<RunView>(`/runs/${going.id}`)).endedAt === null) await pause(250);
}
