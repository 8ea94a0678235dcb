/**
 * The server as a team runs it: one PostgreSQL of its own, a server that only directs, three `drover worker` processes.
 * Through the API alone a bucket goes to a container; one worker is lost. Where Ceph runs, the bucket is reached by a
 * role with an external ID; elsewhere it is one of the simulated S3, reached by keys.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import pg from 'pg';
import { startS3, stopServers } from '../../demo/servers.ts';
import { openTestDatabase, type TestDatabase } from '../postgres.ts';
import { makeQuickFolder } from '../quick-folder.ts';
import { RawStore, type RawKeys } from '../raw-s3.ts';
import { Api, type Made, type RunView } from '../soak/server-api.ts';
import { Service } from '../soak/server-service.ts';
import { startStopwatch } from '../stopwatch.ts';

const { azurite, rgw } = inject('servers');
const PROGRAM = fileURLToPath(new URL('../../bin/drover', import.meta.url));
const OBJECTS = 1_500;
/** So that the run outlives the takeover of what a lost worker held. */
const BYTES_PER_SECOND = 120_000;
const TAKEOVER_MS_MAX = 15_000;
const bucket = `journey-${process.pid}-${Math.trunc(performance.timeOrigin).toString(36)}`;
const folder = makeQuickFolder('drover-journey-');

let database: TestDatabase;
let client: pg.Client;
let s3: RawKeys;
let api: Api;
let url = '';
let token = '';
const services: Service[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  s3 = rgw ?? (await startS3(null)).access;
  await fillBucket(new RawStore(s3));
  const environment = {
    DATABASE_URL: database.url,
    DROVER_DATA_DIR: join(folder, 'data'),
    DROVER_MASTER_KEY: randomBytes(32).toString('base64'),
    DROVER_LISTEN: '127.0.0.1:0',
    DROVER_LOCAL_WORKERS: '0',
    DROVER_ARTIFACTS: join(folder, 'artifacts'),
    AWS_EC2_METADATA_DISABLED: 'true',
    ...(rgw === null
      ? {}
      : {
          // What the role trusts: the identity that Drover itself signs with.
          AWS_ACCESS_KEY_ID: rgw.otherAccessKeyId,
          AWS_SECRET_ACCESS_KEY: rgw.otherSecretAccessKey,
          // The machine's own keys go to no other store than Amazon's unless that is named.
          DROVER_TRUSTED_ENDPOINTS: new URL(rgw.endpoint).host,
        }),
  };
  mkdirSync(join(folder, 'data'), { recursive: true });
  const start = async (name: string, words: readonly string[]): Promise<Service> => {
    const logFile = join(folder, `${name}.log`);
    const service = new Service({ name, program: PROGRAM, words, environment, logFile, delayMs: () => 600_000 });
    services.push(service);
    service.start();
    await service.ready();
    return service;
  };
  url = String((await start('server', ['serve'])).readyLine['url']);
  token = execFileSync(PROGRAM, ['setup', '--email', 'ana@example.com', '--password-stdin'], {
    input: 'a password of no value',
    env: { PATH: process.env['PATH'], ...environment },
  })
    .toString()
    .trim();
  api = new Api(url, token);
  await Promise.all(['one', 'two', 'three'].map((name) => start(name, ['worker', '--worker-name', name])));
});

afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  await client?.end();
  if (rgw !== null) await emptyBucket(new RawStore(rgw));
  await stopServers();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

test('three workers share a run and survive the loss of one; its log and report can be downloaded', async () => {
  const source = await made('/connectors', { provider: 's3', name: 'Buckets', config: s3Config() });
  const target = await made('/connectors', {
    provider: 'azure-blob',
    name: 'Azurite',
    config: { authorization: 'account-key', ...azurite },
  });
  await api.once('POST', `/connectors/${target}/containers`, { name: bucket });
  const from = await made('/endpoints', place('source', source));
  const to = await made('/endpoints', place('target', target));
  const project = await made('/projects', { name: 'Journey' });
  const rules = [{ day: null, minuteOfDay: 0, bytesPerSecond: BYTES_PER_SECOND }];
  const timetableId = await made('/timetables', { name: 'Slow', timetable: { timeZone: 'UTC', rules } });
  const ends = { sourceEndpointId: from, targetEndpointId: to };
  const job = await made(`/projects/${project}/jobs`, { name: 'All', ...ends, tuning: { timetableId } });
  const preflight = await api.once<{ ok: boolean; estimate: { items: number } }>('POST', `/jobs/${job}/preflight`, {
    count: true,
  });
  expect(preflight).toMatchObject({ ok: true, estimate: { items: OBJECTS } });

  const run = await made(`/jobs/${job}/runs`, { kind: 'transfer' });
  await until(run, ({ live }) => workersOf(live).length >= 2);
  expect(await takenOverAfterMs(run, await lose(run))).toBeLessThan(TAKEOVER_MS_MAX);
  const ended = await until(run, ({ endedAt }) => endedAt !== null);
  expect(ended).toMatchObject({ state: 'succeeded', error: null });
  const { scanned = 0, copied = 0, same = 0 } = ended.counters.items;
  expect([scanned, copied + same]).toEqual([OBJECTS, OBJECTS]);

  const log = (await download(run, 'copy-log-csv')).toString('utf8').trimEnd().split('\r\n');
  expect(log).toHaveLength(OBJECTS + 1);
  expect(new Set(log).size).toBe(OBJECTS + 1);
  const report = JSON.parse((await download(run, 'report-json')).toString('utf8')) as { report: string };
  expect(JSON.parse(report.report)).toMatchObject({
    isClean: true,
    comparedNow: { checked: OBJECTS, missing: 0, different: 0 },
    readBack: { equal: 20, different: 0, unreadable: 0 },
  });
  const segments = await api.get<{ items: { worker: string | null }[] }>(`/runs/${run}/segments`);
  expect(new Set(segments.items.map(({ worker }) => worker)).size).toBeGreaterThan(1);
});

function s3Config(): object {
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  const place = { endpoint, region: 'us-east-1', pathStyle: true };
  if (rgw === null) return { ...place, accessKeyId, secretAccessKey };
  const role = { roleArn: rgw.openRoleArn, externalId: 'journey-external-id', stsEndpoint: rgw.endpoint };
  return { ...place, ...role, authorization: 'iam-role' };
}

interface Holder {
  readonly workerId: string;
  readonly pid: number;
}

/** Whoever has most in his hands. */
async function holderOf(runId: string): Promise<Holder> {
  for (;;) {
    const { rows } = await client.query<Holder>(
      `SELECT workers.id AS "workerId", workers.pid FROM segments
       JOIN workers ON workers.id = segments.worker_id
       WHERE run_id = $1 AND segments.state = 'open' AND lease_until > clock_timestamp()
       GROUP BY workers.id ORDER BY count(*) DESC LIMIT 1`,
      [runId],
    );
    if (rows[0] !== undefined) return rows[0];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Lost {
  readonly workerId: string;
  readonly segments: readonly string[];
}

/** Stopped before it is killed, so that it has something in its hands when it is lost. */
async function lose(runId: string): Promise<Lost> {
  for (;;) {
    const { workerId, pid } = await holderOf(runId);
    process.kill(pid, 'SIGSTOP');
    if ((await heldBy(workerId, '')).length === 0) {
      process.kill(pid, 'SIGCONT');
      continue;
    }
    process.kill(pid, 'SIGKILL');
    // Behind what it had asked the database for in its last moment.
    return { workerId, segments: await heldBy(workerId, 'FOR UPDATE') };
  }
}

async function heldBy(workerId: string, lock: '' | 'FOR UPDATE'): Promise<readonly string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT segment_id AS id FROM segments WHERE worker_id = $1 AND state = 'open' ${lock}`,
    [workerId],
  );
  return rows.map(({ id }) => id);
}

/** By the lease rows: until each of its segments is in the hands of somebody else, or done by him. */
async function takenOverAfterMs(runId: string, { workerId, segments }: Lost): Promise<number> {
  const watch = startStopwatch();
  for (;;) {
    const { rows } = await client.query(
      `SELECT FROM segments WHERE run_id = $1 AND segment_id = ANY($2) AND worker_id <> $3 AND takeovers > 0`,
      [runId, segments, workerId],
    );
    const tookMs = watch.elapsedMs();
    if (rows.length === segments.length || tookMs > 2 * TAKEOVER_MS_MAX) return tookMs;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function made(path: string, body: object): Promise<string> {
  return (await api.once<Made>('POST', path, body)).id;
}

function place(kind: 'source' | 'target', connectorId: string): object {
  return { kind, connectorId, place: { container: bucket, prefix: '' } };
}

function workersOf(live: unknown): readonly unknown[] {
  return (live as { workers?: readonly unknown[] } | null)?.workers ?? [];
}

async function until(runId: string, holds: (run: RunView) => boolean): Promise<RunView> {
  for (;;) {
    const run = await api.get<RunView>(`/runs/${runId}`);
    if (holds(run) || run.endedAt !== null) return run;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function download(runId: string, kind: string): Promise<Buffer> {
  const options = kind.startsWith('report') ? { kind, spotCheck: 20 } : { kind };
  const { id } = await api.once<Made>('POST', `/runs/${runId}/artifacts`, options);
  for (;;) {
    const { state, error } = await api.get<{ state: string; error: unknown }>(`/artifacts/${id}`);
    if (state === 'failed') throw new Error(JSON.stringify(error));
    if (state === 'ready') break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const answer = await fetch(`${url}/api/v1/artifacts/${id}/content`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
}

const keys = Array.from({ length: OBJECTS }, (_, at) => `folder ${at % 7}/object ${String(at).padStart(5, '0')}`);

async function fillBucket(store: RawStore): Promise<void> {
  await store.must('PUT', bucket, null);
  await inTurns((key) => store.must('PUT', bucket, key, [], {}, `content of ${key}`.repeat(50)));
  if (rgw === null) return;
  // The role's user is somebody else than the owner of the bucket.
  const Statement = ['s3:*'].map((Action) => ({
    Effect: 'Allow',
    Principal: '*',
    Action,
    Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
  }));
  await store.must('PUT', bucket, null, [['policy', '']], {}, JSON.stringify({ Version: '2012-10-17', Statement }));
}

async function emptyBucket(store: RawStore): Promise<void> {
  await inTurns((key) => store.send('DELETE', bucket, key));
  await store.send('DELETE', bucket, null);
}

async function inTurns(work: (key: string) => Promise<unknown>): Promise<void> {
  const rest = [...keys];
  const lane = async (): Promise<void> => {
    for (let key = rest.pop(); key !== undefined; key = rest.pop()) await work(key);
  };
  await Promise.all(Array.from({ length: 16 }, lane));
}
