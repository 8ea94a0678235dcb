/** A job between two buckets of a simulated Amazon S3, with real connectors, on a real database. */
import { onTestFinished } from 'vitest';
import type { Run } from '../../src/control/entities.ts';
import { openConnectors } from '../../src/control/connectors/service.ts';
import { connectorOpener } from '../../src/control/connectors/open.ts';
import { startWorker, type WorkerOptions } from '../../src/control/fleet/worker.ts';
import { openPreflight } from '../../src/control/jobs/preflight.ts';
import { openRuns } from '../../src/control/runs/service.ts';
import { PostgresRunStore } from '../../src/control/runs/store.ts';
import { openTestWorld } from '../../src/control/testing.ts';
import { readItems } from '../../src/engine/item-log.ts';
import { systemClock } from '../../src/lib/system.ts';
import type { ItemRecord, RunState } from '../../src/model/outcome.ts';
import type { Policy } from '../../src/model/policy.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { createS3Service, type Grant } from '../../src/sim/s3-service.ts';
import { simTransport, type Fault, type Seen } from '../../src/sim/transport.ts';
import { seededRandom } from '../../src/sim/world.ts';
import { PATIENT } from './fleet-world.ts';
import { makeJob, PERSON } from './made.ts';

export const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';
const READING = ['s3:ListBucket', 's3:GetBucketLocation', 's3:GetObject', 's3:GetObjectTagging'];
const WRITING = [
  's3:ListBucket',
  's3:GetBucketLocation',
  's3:GetObject',
  's3:PutObject',
  's3:DeleteObject',
  's3:*Tagging',
];
const MORE = ['s3:AbortMultipartUpload', 's3:ListBucketMultipartUploads', 's3:ListMultipartUploadParts'];
const { signal } = new AbortController();

/** Two connectors with rights of their own to two buckets, a job between them, and a worker. */
export async function openCloud(settings: Partial<Policy> = {}, workerOptions: Partial<WorkerOptions> = {}) {
  const reader: Grant[] = READING.map((action) => ({ actions: [action], buckets: ['photos'] }));
  const writer: Grant[] = [...WRITING, ...MORE].map((action) => ({ actions: [action], buckets: ['archive'] }));
  const user = (name: string, accessKeyId: string, grants: Grant[]) => ({
    name,
    accessKeyId,
    grants,
    secretAccessKey: SECRET,
  });
  const service = createS3Service({
    clock: systemClock,
    random: seededRandom(1),
    accounts: [
      {
        accountId: '111111111111',
        users: [
          user('reader', 'AKREADER', reader),
          user('reader-2', 'AKREADER2', reader),
          user('writer', 'AKWRITER', writer),
          user('writer-2', 'AKWRITER2', writer),
        ],
      },
    ],
  });
  for (const name of ['photos', 'archive']) service.createBucket(name);
  for (let at = 0; at < 200; at++) service.put('photos', `k/${String(at).padStart(4, '0')}`, `content of ${at}`);
  let plan: (seen: Seen) => Fault | null = () => null;
  let onAsked: (request: Seen['request']) => void = () => undefined;
  const openTransport = simTransport(() => service, {
    clock: systemClock,
    plan: (seen) => {
      onAsked(seen.request);
      return plan(seen);
    },
  });
  const world = await openTestWorld({ providers: [s3], openTransport });
  onTestFinished(() => world.close());
  const connectors = openConnectors(world);
  const openConnector = connectorOpener(world);
  const admin = world.as('admin');
  const authorize = async (accessKeyId: string): Promise<string> =>
    (await connectors.authorize(admin, { provider: 's3', config: { accessKeyId, secretAccessKey: SECRET } })).id;
  const ids = { source: await authorize('AKREADER'), target: await authorize('AKWRITER') };
  const job = await makeJob(
    world,
    { connectorId: ids.source, container: 'photos' },
    { connectorId: ids.target, container: 'archive' },
    { serverSide: 'never', tags: 'ignore', ...settings },
  );
  const preflight = openPreflight(world, openConnector);
  const lines: string[] = [];
  const append = async (_: string, { message }: { message: string }) => void lines.push(message);
  const runs = openRuns(world, { preflight: preflight.preflight, append });
  /** What is arranged for a run is so before its worker asks for anything. */
  let arranged = Promise.resolve();
  const openForWorker: typeof openConnector = async (...given) => {
    await arranged;
    return openConnector(...given);
  };
  const worker = await startWorker(world, {
    name: 'one',
    host: 'here',
    pid: process.pid,
    timing: PATIENT,
    openConnector: openForWorker,
    reportHealth: connectors.reportHealth,
    append,
    ...workerOptions,
  });
  onTestFinished(() => worker.drain());
  const until = async (id: string, ...states: RunState[]): Promise<Run> => {
    const end = Date.now() + 120_000;
    for (;;) {
      const run = await runs.get(PERSON, id);
      if (states.includes(run.state)) return run;
      if (Date.now() > end) throw new Error(`${JSON.stringify(run)} ${lines.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const store = new PostgresRunStore(world.db);
  return {
    service,
    world,
    connectors,
    admin,
    ids,
    job,
    runs,
    until,
    preflight,
    reader,
    writer,
    /** From that moment on `change` has happened: after so many answers to requests of that kind. */
    after(operation: string, count: number, change: () => void, faults: (seen: Seen) => Fault | null = () => null) {
      let seen = 0;
      let isChanged = false;
      plan = (request) => {
        if (!isChanged && request.request.operation === operation && ++seen > count) {
          isChanged = true;
          change();
        }
        return isChanged ? faults(request) : null;
      };
    },
    /** Decides for every request from now on. */
    faults: (made: typeof plan) => void (plan = made),
    /** Of every request from now on. */
    watch: (seen: typeof onAsked) => void (onAsked = seen),
    /** `arrange`: after the checks before the run, and before the run itself. */
    async start(arrange: () => void = () => undefined) {
      const over = Promise.withResolvers<void>();
      arranged = over.promise;
      try {
        const run = await runs.start(PERSON, job.jobId, { kind: 'transfer', trigger: 'person' }, signal);
        arrange();
        return run;
      } finally {
        over.resolve();
      }
    },
    async items(id: string): Promise<ItemRecord[]> {
      const items: ItemRecord[] = [];
      for await (const item of readItems((await store.getRun(id))!, { store, artifacts: world.artifacts }))
        items.push(item);
      return items;
    },
  };
}

/** Until it is called again, nobody may do that. */
export function take(grants: Grant[], action: string): () => void {
  const taken = grants.filter(({ actions }) => actions.includes(action));
  for (const grant of taken) grants.splice(grants.indexOf(grant), 1);
  return () => void grants.push(...taken);
}
