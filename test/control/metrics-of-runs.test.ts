/** What a run costs is the same on its page and in the metrics: two real ends, a store that throttles, two workers. */
import { sql } from 'kysely';
import { afterEach, expect, test } from 'vitest';
import { connectorOpener } from '../../src/control/connectors/open.ts';
import { newId } from '../../src/control/ids.ts';
import { openMetrics } from '../../src/control/metrics/metrics.ts';
import { fold, Traffic } from '../../src/control/metrics/traffic.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import type { HttpRequest } from '../../src/lib/transport.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { createS3Service } from '../../src/sim/s3-service.ts';
import { simTransport, type Fault } from '../../src/sim/transport.ts';
import { openFleetTest, type FleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, PERSON, type MadeJob } from './made.ts';

let fleet: FleetTest;
afterEach(() => fleet[Symbol.asyncDispose]());

const SECRET = 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcd';
const OBJECTS = 30;

const openService = (): ReturnType<typeof createS3Service> =>
  createS3Service({
    clock: systemClock,
    random: systemRandom,
    accounts: [
      { accountId: '111122223333', users: [{ name: 'a', accessKeyId: 'AKMETRICS', secretAccessKey: SECRET }] },
    ],
    virtualHostBases: ['s3.test'],
  });

const CONFIG = {
  endpoint: 'https://s3.test',
  region: 'us-east-1',
  signIn: 'keys',
  accessKeyId: 'AKMETRICS',
  secretAccessKey: SECRET,
};

/** A job from one bucket to another, under the connectors "From" and "To". */
async function bucketJob(): Promise<MadeJob> {
  const connector = (fingerprint: string): Promise<string> =>
    makeConnector(fleet.world, { provider: 's3', config: CONFIG, fingerprint });
  const [from, to] = [await connector('from'), await connector('to')];
  await sql`UPDATE connectors SET name = CASE id WHEN ${from}::uuid THEN 'From' ELSE 'To' END`.execute(fleet.world.db);
  const ends = [
    { connectorId: from, container: 'old' },
    { connectorId: to, container: 'new' },
  ] as const;
  return makeJob(fleet.world, ...ends, { serverSide: 'never' });
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

async function samples(): Promise<readonly Sample[]> {
  const text = await openMetrics(fleet.world).text();
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^(drover_\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, one]) => [label, one]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

const sumOf = (all: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number =>
  all
    .filter((one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);

test('requests, throttles, retries, items and bytes of a run are in the metrics, and stay when its workers are gone', async () => {
  const service = openService();
  for (const bucket of ['old', 'new']) service.createBucket(bucket);
  for (let at = 0; at < OBJECTS; at++) service.put('old', `k/${at}`, `content ${at}`);
  let asked = 0;
  let throttled = 0;
  const plan = ({ request }: { readonly request: HttpRequest }): Fault | null => {
    // Also once while it is found out what the target honours.
    if (request.operation !== 'PUT' || (++asked !== 2 && (request.path.includes('probe') || asked % 5 !== 0)))
      return null;
    throttled += 1;
    return { kind: 'status', status: 503, code: 'SlowDown' };
  };
  fleet = await openFleetTest({
    providers: [s3],
    openTransport: simTransport((origin) => (origin.endsWith('s3.test') ? service : null), {
      clock: systemClock,
      plan,
    }),
  });
  const job = await bucketJob();
  const workers = [await fleet.worker('one'), await fleet.worker('two')];
  const { id } = await fleet.until((await fleet.start(job)).id, 'succeeded');
  await Promise.all(workers.map((worker) => worker.drain()));
  const run = await fleet.runs.get(PERSON, id);
  const shown = await samples();
  for (const [side, name] of [
    ['source', 'From'],
    ['target', 'To'],
  ] as const) {
    for (const [kind, count] of Object.entries(run.requests[side])) {
      expect([side, kind, sumOf(shown, 'drover_requests_total', { connector: name, side, class: kind })]).toEqual([
        side,
        kind,
        count,
      ]);
    }
    const ofAll = Object.values(run.requests[side]).reduce((sum, count) => sum + count, 0);
    expect(sumOf(shown, 'drover_requests_total', { connector: name })).toBe(ofAll);
    expect(sumOf(shown, 'drover_request_seconds_total', { connector: name })).toBeGreaterThan(0);
    expect(sumOf(shown, 'drover_items_total', { connector: name, side, outcome: 'copied' })).toBe(OBJECTS);
    expect(sumOf(shown, 'drover_bytes_copied_total', { connector: name, side })).toBe(run.counters.bytes.copied);
  }
  expect(throttled).toBeGreaterThan(3);
  expect(sumOf(shown, 'drover_throttles_total', { connector: 'To', class: 'PUT' })).toBe(throttled);
  expect(sumOf(shown, 'drover_retries_total', { connector: 'To', side: 'target', code: 'THROTTLED' })).toBe(throttled);
  expect(sumOf(shown, 'drover_throttles_total', { connector: 'From' })).toBe(0);
  // Neither folding the rows of those who left, nor deleting the run takes anything away.
  await fold(fleet.world.db, 0);
  await sql`DELETE FROM jobs`.execute(fleet.world.db);
  const totals = (all: readonly Sample[]): readonly Sample[] => all.filter(({ name }) => name.endsWith('_total'));
  const key = (one: Sample): string => one.name + JSON.stringify(one.labels);
  const sorted = (all: readonly Sample[]): readonly Sample[] =>
    totals(all).toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  const rounded = (all: readonly Sample[]) =>
    sorted(all).map((one) => ({ ...one, value: Number(one.value.toFixed(5)) }));
  expect(rounded(await samples())).toEqual(rounded(shown));
});

test('what a worker asked in vain, before it could begin, is on the bill of the run too', async () => {
  const service = openService();
  service.createBucket('old');
  let asked = 0;
  const openTransport = simTransport(() => service, { clock: systemClock, onAnswer: () => void (asked += 1) });
  fleet = await openFleetTest({ providers: [s3], openTransport });
  const job = await bucketJob();
  const worker = await fleet.worker('one');
  const { id } = await fleet.until((await fleet.start(job)).id, 'failed');
  await worker.drain();
  const { requests } = await fleet.runs.get(PERSON, id);
  const all = [...Object.values(requests.source), ...Object.values(requests.target)];
  expect(asked).toBeGreaterThan(0);
  expect(all.reduce((sum, count) => sum + count, 0)).toBe(asked);
  expect(sumOf(await samples(), 'drover_requests_total')).toBe(asked);
});

test('a lease that is taken over from a silent worker is counted', async () => {
  fleet = await openFleetTest();
  const job = await fleet.job({ objects: 60 });
  const { id } = await fleet.start(job);
  await sql`UPDATE runs SET state = 'running', started_at = now() WHERE id = ${id}`.execute(fleet.world.db);
  await fleet.store.startSegments(id, [{ segmentId: 'a', kind: 'keys', from: null, to: null }]);
  await sql`UPDATE segments SET worker_id = gen_random_uuid(), lease_until = clock_timestamp() WHERE run_id = ${id}`.execute(
    fleet.world.db,
  );
  const worker = await fleet.worker('one');
  await fleet.until(id, 'succeeded');
  await worker.drain();
  expect(sumOf(await samples(), 'drover_lease_takeovers_total')).toBe(1);
  // The same in the log: each line says of which run and segment it speaks.
  const ids = `"run":"${id}","segment":"a","epoch":`;
  const lines = fleet.world.logged.filter((line) => line.includes(ids));
  expect(lines.find((line) => line.startsWith('info A segment was taken over'))).toContain('"kind":"keys"');
  expect(lines.find((line) => line.startsWith('debug A segment was left'))).toContain('"outcome":"done"');
});

test('what a server asks of a connector by itself is counted as that', async () => {
  const service = openService();
  service.createBucket('old');
  let asked = 0;
  const openTransport = simTransport(() => service, { clock: systemClock, onAnswer: () => void (asked += 1) });
  fleet = await openFleetTest({ providers: [s3], openTransport });
  const { world } = fleet;
  const serverTraffic = new Traffic(newId(world));
  const id = await makeConnector(world, { provider: 's3', config: CONFIG, fingerprint: 'f' });
  const { account } = await connectorOpener({ ...world, serverTraffic })(id, world.openTransport);
  const source = await account.source(
    { container: 'old', prefix: '' },
    { versions: 'current' },
    new AbortController().signal,
  );
  for await (const _page of source.scan({ from: null, to: null, resume: null }, new AbortController().signal));
  await account[Symbol.asyncDispose]();
  await serverTraffic.write(world.db);
  expect(asked).toBeGreaterThan(0);
  expect(sumOf(await samples(), 'drover_requests_total', { side: 'server', class: 'LIST' })).toBe(asked);
});
