/**
 * Several workers on one run, in one process and on one clock that jumps: each has its own way to the stores and to the
 * state, which can be cut off (the worker was killed) or held up (it hangs and comes back as a ghost).
 */
import { rmSync } from 'node:fs';
import type { Context, Source, Target } from '../../src/contract/provider.ts';
import type { EndDefinition, Progress } from '../../src/engine/definition.ts';
import type { ArtifactStore, Lease, RunRecord, RunStore } from '../../src/engine/ports.ts';
import { readItems } from '../../src/engine/item-log.ts';
import { newRun, runTransfer } from '../../src/engine/run.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import type { RunOptions, RunResult, RunWorld } from '../../src/engine/world.ts';
import { FakeClock, seededRandom } from '../../src/lib/fake-world.ts';
import type { Clock, LogLevel, Random } from '../../src/lib/world.ts';
import { DroverError } from '../../src/model/errors.ts';
import type { ItemRecord } from '../../src/model/outcome.ts';
import type { Policy } from '../../src/model/policy.ts';
import { createMemoryProvider, MemoryStore, type MemoryBehaviour } from '../../src/providers/memory/provider.ts';
import { openStandalone, type Standalone } from '../../src/standalone/standalone.ts';
import { makeQuickFolder } from '../quick-folder.ts';
import { POLICY, TUNING } from './bench.ts';

export const LEASE_MS = 10_000;
const RENEWED_EVERY_MS = 3_000;
export const RUN_ID = 'fleetrun0001';

/** The way of one worker to everything outside of it. */
export class Tether {
  /** Calls so far, all of them and by name. */
  calls = 0;
  readonly called: Record<string, number> = {};
  /** Dies when it makes this call. */
  diesAt: number | null = null;
  /** Told before each call. */
  onCall: ((name: string) => void) | null = null;
  /** Told after each call that has happened; what it throws is heard instead of the answer. */
  onAnswer: ((name: string) => Promise<void>) | null = null;
  isDead = false;
  #thawed: Promise<void> | null = null;
  #thaw: (() => void) | null = null;

  kill(): void {
    this.isDead = true;
  }

  get isFrozen(): boolean {
    return this.#thaw !== null;
  }

  /** Its leases are renewed all the same: it is slow, not gone. */
  isRenewing = false;

  freeze(): void {
    this.#thawed ??= new Promise((resolve) => (this.#thaw = resolve));
  }

  thaw(): void {
    this.#thaw?.();
    this.#thaw = null;
    this.#thawed = null;
  }

  async enter(name: string): Promise<void> {
    this.calls += 1;
    this.called[name] = (this.called[name] ?? 0) + 1;
    this.onCall?.(name);
    if (this.diesAt !== null && this.calls >= this.diesAt) this.isDead = true;
    await this.#stand();
  }

  /** What was under way when the worker died has happened, but it never hears of it. */
  async leave<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await work;
      await this.#stand();
      return result;
    } catch (error) {
      await this.#stand();
      throw error;
    }
  }

  async #stand(): Promise<void> {
    while (this.#thawed !== null && !this.isDead) await this.#thawed;
    if (this.isDead) await new Promise<never>(() => undefined);
  }

  /** The same object, every call of which goes this way. */
  through<T extends object>(inner: T): T {
    return new Proxy(inner, {
      get: (_target, name) => {
        const value: unknown = Reflect.get(inner, name, inner);
        if (name === 'facets') {
          const facets = Object.entries(value as Record<string, object>);
          return Object.fromEntries(facets.map(([facet, one]) => [facet, this.through(one)]));
        }
        if (typeof value !== 'function') return value;
        if (name === 'now' || name === 'monotonic' || name === 'accepts') return value.bind(inner);
        if (name === 'scan') return (...given: unknown[]) => this.#pages(String(name), () => value.apply(inner, given));
        return async (...given: unknown[]) => {
          await this.enter(String(name));
          const result: unknown = await this.leave(Promise.resolve(value.apply(inner, given)));
          await this.onAnswer?.(String(name));
          if (name !== 'read' || !isReading(result)) return result;
          return { ...result, body: this.#pages('chunk', () => result.body) };
        };
      },
    });
  }

  async *#pages<T>(name: string, open: () => AsyncIterable<T>): AsyncGenerator<T> {
    await this.enter(name);
    const pages = open()[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.leave(pages.next());
        if (next.done === true) return;
        yield next.value;
        await this.enter(name);
      }
    } finally {
      await pages.return?.();
    }
  }
}

function isReading(value: unknown): value is { readonly body: AsyncIterable<Uint8Array> } {
  return typeof value === 'object' && value !== null && 'body' in value;
}

/** Leases that run out by the clock, as a database keeps them, before the store that knows only its own process. */
class Leases {
  readonly #inner: RunStore;
  readonly #clock: Clock;
  readonly #held = new Map<string, { lease: Lease; untilMs: number }>();
  readonly #waiting = new Set<string>();
  /** Not given back by a holder whose time was over, and not claimed again. */
  readonly #lost = new Set<string>();
  /** Ends that were accepted. */
  ends = 0;
  /** Segments that were claimed after their holder had lost them. */
  takeovers = 0;
  readonly refused: string[] = [];

  constructor(inner: RunStore, clock: Clock) {
    this.#inner = inner;
    this.#clock = clock;
  }

  renew(worker: string): void {
    for (const one of this.#held.values()) {
      if (one.lease.worker === worker && one.untilMs > this.#clock.now()) one.untilMs = this.#clock.now() + LEASE_MS;
    }
  }

  /** As the control plane does when it ends a run: nobody holds anything of it any more. */
  async revokeAll(): Promise<void> {
    for (const { lease } of this.#held.values()) await this.#inner.release(lease);
    this.#held.clear();
  }

  gone(worker: string): void {
    this.#waiting.delete(worker);
  }

  async #claim(runId: string, worker: string): Promise<Lease | null> {
    for (const [id, { lease, untilMs }] of this.#held) {
      if (untilMs > this.#clock.now()) continue;
      this.#held.delete(id);
      this.#lost.add(id);
      await this.#inner.release(lease);
    }
    const claimed = await this.#inner.claim(runId, worker);
    if (claimed === null) return null;
    const { segmentId } = claimed.segment;
    if (this.#lost.delete(segmentId)) this.takeovers += 1;
    // Also of what was cut from it since, which no one can tell from the rest.
    const lease = { ...claimed, wasLost: this.takeovers > 0 };
    this.#held.set(segmentId, { lease, untilMs: this.#clock.now() + LEASE_MS });
    return lease;
  }

  async #release(lease: Lease): Promise<void> {
    const { segmentId } = lease.segment;
    if (this.#held.get(segmentId)?.lease.epoch !== lease.epoch) return;
    this.#held.delete(segmentId);
    await this.#inner.release(lease);
  }

  get store(): RunStore {
    const inner = this.#inner;
    const own: Partial<RunStore> = {
      claim: (runId, worker) => this.#claim(runId, worker),
      release: (lease) => this.#release(lease),
      commit: async (lease, commit) => {
        await inner.commit(lease, commit).catch((error: unknown) => {
          this.refused.push(`${lease.worker} ${lease.segment.segmentId}`);
          throw error;
        });
        if (commit.done) this.#held.delete(lease.segment.segmentId);
      },
      endRun: async (lease, end) => {
        await inner.endRun(lease, end);
        this.ends += 1;
        this.#held.delete(lease.segment.segmentId);
      },
      waiting: async () => this.#waiting.size,
      setWaiting: async (_runId, worker, isWaiting) => {
        if (isWaiting) this.#waiting.add(worker);
        else this.#waiting.delete(worker);
      },
    };
    return new Proxy(inner, {
      get: (_target, name) => {
        const replaced = own[name as keyof RunStore];
        if (replaced !== undefined) return replaced;
        const value: unknown = Reflect.get(inner, name, inner);
        return typeof value === 'function' ? value.bind(inner) : value;
      },
    });
  }
}

export interface Worker {
  readonly name: string;
  readonly tether: Tether;
  /** Never settles for one that was killed. */
  readonly done: Promise<RunResult>;
  readonly pictures: Progress[];
  readonly logged: { level: LogLevel; code: unknown }[];
  stop(reason?: unknown): void;
}

export interface Fleet extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly source: MemoryStore;
  readonly target: MemoryStore;
  readonly store: RunStore;
  readonly leases: Leases;
  readonly artifacts: ArtifactStore & { readonly puts: readonly string[] };
  queue(policy?: Partial<Policy>): Promise<RunRecord>;
  join(name: string, change?: Partial<RunOptions>): Worker;
  /** Lets time pass until all of these have ended. */
  ended(...workers: readonly Worker[]): Promise<RunResult[]>;
  until(isSo: () => boolean): Promise<void>;
  items(): Promise<ItemRecord[]>;
  ends(runId?: string): Promise<{ source: Source; target: Target; readBack: Source }>;
}

export interface FleetOptions {
  readonly seed?: number;
  readonly source?: Partial<MemoryBehaviour>;
  readonly target?: Partial<MemoryBehaviour>;
  /** A write, and a page of a listing, take this long. */
  readonly latencyMs?: number;
}

export async function openFleet(options: FleetOptions = {}): Promise<Fleet> {
  const clock = new FakeClock();
  const random = seededRandom(options.seed ?? 1);
  const folder = makeQuickFolder('drover-fleet-');
  const state: Standalone = await openStandalone({ folder, clock, random, log: () => undefined });
  const source = new MemoryStore({ pageSize: 100, ...options.source }, 'source');
  const target = new MemoryStore({ pageSize: 100, ...options.target }, 'target');
  source.ensure('in');
  target.ensure('out');
  const latencyMs = options.latencyMs ?? 20;
  source.hooks.before = (operation) => (operation === 'LIST' ? clock.sleep(latencyMs) : undefined);
  target.hooks.before = (operation) => (operation === 'LIST' ? undefined : clock.sleep(latencyMs));
  const leases = new Leases(state.store, clock);
  const artifacts = memoryArtifacts();
  const ends = async (runId = RUN_ID): Promise<{ source: Source; target: Target; readBack: Source }> => {
    const context = contextOf(clock, random);
    const none = new AbortController().signal;
    const from = await createMemoryProvider(source).open({ store: 'source' }, context);
    const to = await createMemoryProvider(target).open({ store: 'target' }, context);
    return {
      source: await from.source({ container: 'in', prefix: '' }, { versions: 'current' }, none),
      target: await to.target({ container: 'out', prefix: '' }, { facts: null, runId }, none),
      readBack: await to.source({ container: 'out', prefix: '' }, { versions: 'current' }, none),
    };
  };
  const fleet: Fleet = {
    clock,
    source,
    target,
    store: leases.store,
    leases,
    artifacts,
    ends,
    async queue(policy = {}) {
      const definition = defineTransfer({
        command: 'copy',
        source: endOf('source', 'in'),
        target: endOf('target', 'out'),
        policy: { ...POLICY, ...policy },
        concessions: [],
      });
      const run: RunRecord = { ...newRun(RUN_ID, definition, clock.now()), state: 'running' };
      await state.store.createRun(run);
      return run;
    },
    join: (name, change = {}) => joinFleet(fleet, random, name, change),
    async ended(...workers) {
      return clock.run(Promise.all(workers.map(({ done }) => done)));
    },
    async until(isSo) {
      for (let turn = 0; !isSo(); turn++) {
        if (turn > 20_000) throw new Error('It never came to that.');
        await clock.advance(10);
      }
    },
    async items() {
      const records: ItemRecord[] = [];
      const run = await state.store.getRun(RUN_ID);
      for await (const record of readItems(run!, { store: state.store, artifacts })) records.push(record);
      return records;
    },
    async [Symbol.asyncDispose]() {
      await state.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return fleet;
}

function joinFleet(fleet: Fleet, random: Random, name: string, change: Partial<RunOptions>): Worker {
  const tether = new Tether();
  const stopper = new AbortController();
  const pictures: Progress[] = [];
  const logged: Worker['logged'] = [];
  const { clock, leases } = fleet;
  const world: RunWorld = {
    clock: tether.through(clock),
    random,
    log: (level, _message, details) => void logged.push({ level, code: details?.['code'] }),
    store: tether.through(leases.store),
    artifacts: tether.through(fleet.artifacts),
    worker: name,
    requests: () => ({ source: {}, target: { ...tether.called } }),
  };
  let isOver = false;
  const renewing = async (): Promise<void> => {
    while (!isOver && !tether.isDead) {
      if (!tether.isFrozen || tether.isRenewing) leases.renew(name);
      await clock.sleep(RENEWED_EVERY_MS);
    }
    leases.gone(name);
  };
  void renewing();
  const work = async (): Promise<RunResult> => {
    const run = await fleet.store.getRun(RUN_ID);
    if (run === null) throw new Error('There is no run.');
    const { source, target, readBack } = await fleet.ends();
    const ends = {
      source: tether.through(source),
      target: tether.through(target),
      readBack: tether.through(readBack),
    };
    return runTransfer(run.definition, ends, world, {
      runId: RUN_ID,
      tuning: TUNING,
      signal: stopper.signal,
      onProgress: (picture) => void pictures.push(picture),
      continueRun: run,
      isShared: true,
      ...change,
    });
  };
  const done = work().finally(() => {
    isOver = true;
  });
  return { name, tether, done, pictures, logged, stop: (reason) => stopper.abort(reason) };
}

function memoryArtifacts(): ArtifactStore & { readonly puts: string[] } {
  const kept = new Map<string, Uint8Array>();
  const puts: string[] = [];
  return {
    puts,
    put: async (name, content) => {
      puts.push(name);
      kept.set(name, content);
    },
    get: async (name) => kept.get(name) ?? null,
    list: async (prefix) => [...kept.keys()].filter((name) => name.startsWith(prefix)).toSorted(),
    removeAll: async (prefix) => {
      for (const name of kept.keys()) if (name.startsWith(prefix)) kept.delete(name);
    },
  };
}

function endOf(name: string, container: string): EndDefinition {
  const place = { container, prefix: '' };
  return { connector: name, provider: 'memory', fingerprint: `memory|${name}`, place, label: name, only: null };
}

function contextOf(clock: Clock, random: Random): Context {
  return {
    openTransport: () => {
      throw new DroverError('INTERNAL', 'memory needs no network');
    },
    clock,
    random,
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
}

/**
 * What must hold once the run has ended: every object is at the target as it is at the source, every key has exactly
 * one row in the log, the counters are the log's, and nothing is left open. `thereBySize`: objects that were at the
 * target before, and of which no store tells a digest; after the loss of a worker some of them are moved again.
 */
export async function mustBeExact(fleet: Fleet, results: readonly RunResult[], thereBySize = 0): Promise<RunRecord> {
  const run = await fleet.store.getRun(RUN_ID);
  if (run === null) throw new Error('the run is gone');
  const { sameWeak } = run.counters;
  const wasTakenOver = (await fleet.store.segments(RUN_ID)).some(({ epoch }) => epoch > 1);
  const isRight = wasTakenOver ? sameWeak <= thereBySize : sameWeak === thereBySize;
  if (!isRight) throw new Error(`by size alone: ${sameWeak}`);
  const end = sameWeak > 0 ? 'completed-with-issues' : 'succeeded';
  if (run.state !== end) throw new Error(`the run is ${run.state}: ${run.error?.message}`);
  for (const { run: told } of results) if (told.state !== end) throw new Error(`somebody was told ${told.state}`);
  if (fleet.leases.ends !== 1) throw new Error(`it ended ${fleet.leases.ends} times`);
  const keys = fleet.source.keys('in');
  if (keys.join('\n') !== fleet.target.keys('out').join('\n')) throw new Error('the keys are not the same');
  for (const key of keys) {
    if (fleet.source.text('in', key) !== fleet.target.text('out', key)) throw new Error(`${key} is another`);
  }
  const records = await fleet.items();
  const wanted = records.filter(({ result }) => result !== 'deleted' && result !== 'extra');
  const seen = new Set(wanted.map(({ key }) => key));
  if (wanted.length !== keys.length || seen.size !== keys.length) {
    throw new Error(`${keys.length} keys, ${wanted.length} rows of ${seen.size} keys`);
  }
  const { items } = run.counters;
  if (items.scanned !== keys.length || items.copied + items.same !== keys.length) {
    throw new Error(`${keys.length} keys, counted ${JSON.stringify(items)}`);
  }
  for (const result of ['copied', 'same', 'deleted'] as const) {
    const rows = records.filter((record) => record.result === result).length;
    if (rows !== items[result]) throw new Error(`${result}: ${rows} rows, counter ${items[result]}`);
  }
  if (fleet.target.uploads.size > 0) throw new Error('uploads are left open');
  if ((await fleet.store.intents(RUN_ID)).length > 0) throw new Error('intents are left');
  const open = (await fleet.store.segments(RUN_ID)).filter(({ state }) => state === 'open');
  if (open.length > 0) throw new Error(`segments are left open: ${open.map(({ segmentId }) => segmentId).join(' ')}`);
  return run;
}
