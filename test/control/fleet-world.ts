/** Workers and runs in a test: short but real leases, stores in memory, the state in a real database. */
import { sql, type QueryId } from 'kysely';
import type { NewRunLogLine, RunLogLine, Run } from '../../src/control/entities.ts';
import type { FleetTiming } from '../../src/control/fleet/timing.ts';
import { startWorker, type Worker, type WorkerOptions } from '../../src/control/fleet/worker.ts';
import { openRuns } from '../../src/control/runs/service.ts';
import { PostgresRunStore } from '../../src/control/runs/store.ts';
import type { Preflight } from '../../src/control/entities.ts';
import type { Runs, StartRun } from '../../src/control/services.ts';
import { openTestWorld, type TestOverrides, type TestWorld } from '../../src/control/testing.ts';
import type { ControlWorld } from '../../src/control/world.ts';
import { readItems } from '../../src/engine/item-log.ts';
import type { ItemRecord, RunState } from '../../src/model/outcome.ts';
import type { Policy } from '../../src/model/policy.ts';
import { defineProvider, type Provider } from '../../src/contract/provider.ts';
import { local } from '../../src/providers/local/provider.ts';
import { createMemoryProvider, MemoryStore, type MemoryBehaviour } from '../../src/providers/memory/provider.ts';
import { makeConnector, makeJob, PERSON, rowOpener, type MadeJob } from './made.ts';

/** A fifth of the real ones: with everything in one process on a busy machine still far from each other. */
export const SHORT: Partial<FleetTiming> = {
  leaseValidMs: 3_000,
  renewEveryMs: 600,
  giveUpMs: 2_000,
  lookActiveMs: 200,
  lookIdleMs: 500,
  progressEveryMs: 300,
  sharesEveryMs: 300,
  tickEveryMs: 200,
  tickIdleMs: 400,
  goneAfterMs: 6_000,
  sweepMsMax: 5_000,
  beginLateMs: 1_000,
  againFirstMs: 100,
  againMsMax: 500,
};

/** For whatever is not about silence: nobody loses a lease because the machine stood still for a while. */
export const PATIENT: Partial<FleetTiming> = { ...SHORT, leaseValidMs: 40_000, giveUpMs: 30_000 };

const READY: Preflight = {
  ok: true,
  source: [],
  target: [],
  grants: [],
  concessions: [],
  warnings: [],
  estimate: null,
};

export interface FleetTest extends AsyncDisposable {
  readonly world: TestWorld;
  readonly runs: Runs;
  readonly store: PostgresRunStore;
  readonly lines: (RunLogLine & { readonly runId: string })[];
  readonly health: { readonly id: string; readonly code: string | null }[];
  /** What people are to be told, in its order: nobody empties the outbox in these tests. */
  told(): Promise<{ readonly event: string; readonly runId: string | null }[]>;
  preflight: Preflight;
  worker(name: string, more?: Partial<WorkerOptions>, change?: Partial<ControlWorld>): Promise<Worker>;
  job(options?: JobOptions): Promise<HeldJob>;
  start(job: MadeJob, input?: Partial<StartRun>): Promise<Run>;
  /** Looks again and again until the run is in one of these states. */
  until(runId: string, ...states: RunState[]): Promise<Run>;
  untilTrue(what: string, holds: () => Promise<boolean>): Promise<void>;
  items(runId: string): Promise<ItemRecord[]>;
}

export interface JobOptions {
  readonly objects?: number;
  readonly settings?: Partial<Policy>;
  readonly targetPrefix?: string;
  readonly limits?: object;
  readonly sourceBehaviour?: Partial<MemoryBehaviour>;
  readonly targetBehaviour?: Partial<MemoryBehaviour>;
  /** Of another job whose target is to be used. */
  readonly sharing?: MemoryJob;
  /** How long a listing page and an object take at the source. */
  readonly slowMs?: number;
  /** Its objects from this number on are not read before the test releases them: so long the run does not end. */
  readonly heldFrom?: number;
}

export interface MemoryJob extends MadeJob {
  readonly from: MemoryStore;
  readonly to: MemoryStore;
}

export interface HeldJob extends MemoryJob {
  /** What was held is read from now on, as it comes. */
  release(): void;
}

let stores = 0;
const registry = new Map<string, MemoryStore>();

/** Small pages, so that few objects make a listing that can be shared. */
const BEHAVIOUR: Partial<MemoryBehaviour> = { pageSize: 20 };

/** The memory provider, on stores of this test. */
const memory: Provider = defineProvider({
  ...createMemoryProvider(new MemoryStore(BEHAVIOUR)),
  open: (config, context) => {
    const store = registry.get(String(config['store']));
    if (store === undefined) throw new Error(`no store ${String(config['store'])}`);
    return createMemoryProvider(store).open(config, context);
  },
});

export function makeStore(name: string, behaviour: Partial<MemoryBehaviour> = {}): MemoryStore {
  const store = new MemoryStore({ ...BEHAVIOUR, ...behaviour }, name);
  registry.set(name, store);
  return store;
}

export async function openFleetTest(overrides: TestOverrides = {}): Promise<FleetTest> {
  const world = await openTestWorld({ providers: [memory, local], ...overrides });
  const workers: Worker[] = [];
  const releases: (() => void)[] = [];
  const lines: (RunLogLine & { runId: string })[] = [];
  const health: { id: string; code: string | null }[] = [];
  const append = async (runId: string, line: NewRunLogLine): Promise<void> => {
    lines.push({ runId, number: lines.length, at: new Date().toISOString(), storageMoverCodes: [], ...line });
  };
  const store = new PostgresRunStore(world.db);
  let isClosed = false;
  const test: FleetTest = {
    world,
    store,
    lines,
    health,
    async told() {
      const { rows } = await sql<{ event: string; runId: string | null }>`
        SELECT event, payload ->> 'runId' AS "runId" FROM outbox ORDER BY number`.execute(world.db);
      return rows;
    },
    preflight: READY,
    runs: openRuns(world, {
      // Whoever skips the permission checks is still told whether both places are one.
      preflight: async (_actor, _job, { placesOnly }) => (placesOnly === true ? READY : test.preflight),
      append,
    }),
    async worker(name, more = {}, change = {}) {
      const worker = await startWorker(
        { ...world, ...change },
        {
          name,
          host: 'here',
          pid: process.pid,
          openConnector: rowOpener(world),
          reportHealth: async (id, error) => {
            health.push({ id, code: error?.code ?? null });
            await setHealth(world, id, error);
          },
          append,
          timing: PATIENT,
          ...more,
        },
      );
      workers.push(worker);
      return worker;
    },
    async job(options = {}) {
      const { objects = 50, settings = {}, targetPrefix = '', limits, targetBehaviour, sharing } = options;
      const { slowMs = 0, heldFrom = Number.POSITIVE_INFINITY } = options;
      const name = `fleet-${process.pid}-${stores++}`;
      const [from, to] = [
        makeStore(`${name}-from`, options.sourceBehaviour),
        sharing?.to ?? makeStore(`${name}-to`, targetBehaviour),
      ];
      const held = Promise.withResolvers<void>();
      releases.push(held.resolve);
      if (slowMs > 0 || Number.isFinite(heldFrom)) {
        from.hooks.before = async (operation, key) => {
          if (operation !== 'GET' && operation !== 'LIST') return;
          if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs));
          if (operation === 'GET' && Number(key.slice('k/'.length)) >= heldFrom) await held.promise;
        };
      }
      for (let at = 0; at < objects; at++) from.put('box', `k/${String(at).padStart(6, '0')}`, `content of ${at}`);
      from.ensure('box');
      to.ensure('box');
      const connector = (store: MemoryStore) => ({
        provider: 'memory',
        config: { store: store.name },
        fingerprint: `memory:${store.name}`,
        ...(limits === undefined ? {} : { limits }),
      });
      const fromId = await makeConnector(world, connector(from));
      const toId = sharing?.target.connectorId ?? (await makeConnector(world, connector(to)));
      const job = await makeJob(
        world,
        { connectorId: fromId, container: 'box' },
        { connectorId: toId, container: 'box', prefix: targetPrefix },
        settings,
      );
      return { ...job, from, to, release: held.resolve };
    },
    start: (job, input = {}) =>
      test.runs.start(
        PERSON,
        job.jobId,
        { kind: 'transfer', trigger: 'person', ...input },
        new AbortController().signal,
      ),
    async until(runId, ...states) {
      let last: Run | null = null;
      await test
        .untilTrue(`run ${runId} is ${states.join(' or ')}`, async () => {
          last = await test.runs.get(PERSON, runId).catch(() => last);
          return last !== null && states.includes(last.state);
        })
        .catch((error: Error) => {
          throw new Error(`${error.message}; it is ${JSON.stringify(last)}; ${world.logged.slice(-15).join('\n')}`);
        });
      return last as unknown as Run;
    },
    async untilTrue(what, holds) {
      const end = Date.now() + 120_000;
      while (!(await holds())) {
        if (Date.now() > end) throw new Error(`It never came to this: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async items(runId) {
      const run = await store.getRun(runId);
      const all: ItemRecord[] = [];
      for await (const item of readItems(run!, { store, artifacts: world.artifacts })) all.push(item);
      return all;
    },
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      for (const release of releases) release();
      await Promise.all(workers.map((worker) => worker.drain().catch(() => undefined)));
      await world.close();
    },
  };
  return test;
}

/** How often a worker on that database has renewed what it holds: time as workers have it, however slow the machine. */
export function countRenewals({ world }: FleetTest) {
  const executor = world.db.getExecutor();
  const renewals = new WeakSet<QueryId>();
  let count = 0;
  const db = world.db.withPlugin({
    transformQuery: ({ node, queryId }) => {
      if (executor.compileQuery(node, queryId).sql.includes('renewed AS')) renewals.add(queryId);
      return node;
    },
    transformResult: async ({ result, queryId }) => {
      if (renewals.has(queryId)) count += 1;
      return result;
    },
  });
  return { db, count: () => count };
}

/** For `untilTrue`, while the database is away for somebody: true when he has looked in vain so many times more. */
export function looksInVain(test: FleetTest, times: number): () => Promise<boolean> {
  const count = (): number => test.world.logged.filter((line) => line.includes('could not be moved on')).length;
  const enough = count() + times;
  return async () => count() >= enough;
}

export async function setHealth(world: ControlWorld, id: string, error: unknown): Promise<void> {
  await sql`UPDATE connectors SET health = ${error === null ? 'healthy' : 'needs-attention'} WHERE id = ${id}`.execute(
    world.db,
  );
  await world.bus.tell('connector', id);
}

/** The target holds exactly what the source holds, and the log has one row for each item that was seen. */
export async function expectComplete(test: FleetTest, job: MemoryJob, run: Run, prefix = ''): Promise<void> {
  const wanted = job.from.keys('box').map((key) => `${prefix}${key}`);
  const there = job.to.keys('box').filter((key) => key.startsWith(prefix));
  if (JSON.stringify(there) !== JSON.stringify(wanted)) {
    throw new Error(`The target holds ${there.length} objects, the source ${wanted.length}.`);
  }
  for (const key of job.from.keys('box')) {
    if (job.to.text('box', `${prefix}${key}`) !== job.from.text('box', key)) throw new Error(`"${key}" differs.`);
  }
  const items = await test.items(run.id);
  const keys = items.map(({ key }) => key);
  if (new Set(keys).size !== keys.length) throw new Error('An item was settled twice.');
  if (keys.length !== run.counters.items.scanned) {
    throw new Error(`The log has ${keys.length} rows, the counters say ${run.counters.items.scanned}.`);
  }
  if (job.to.uploads.size > 0) throw new Error('Uploads were left open.');
}
