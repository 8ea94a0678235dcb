/** Two memory stores, a state folder, and a run between them: what the engine's tests stand on. */
import { rmSync } from 'node:fs';
import type { Context, Source, Target } from '../../src/contract/provider.ts';
import type { EndDefinition, Tuning } from '../../src/engine/definition.ts';
import type { RunOptions, RunResult, RunWorld } from '../../src/engine/world.ts';
import { readItems } from '../../src/engine/item-log.ts';
import { runTransfer } from '../../src/engine/run.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import { verifyRun, type VerifyResult } from '../../src/engine/verify.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import type { Clock } from '../../src/lib/world.ts';
import { DroverError } from '../../src/model/errors.ts';
import type { ItemRecord } from '../../src/model/outcome.ts';
import { DEFAULT_POLICY, type Policy } from '../../src/model/policy.ts';
import { createMemoryProvider, MemoryStore, type MemoryBehaviour } from '../../src/providers/memory/provider.ts';
import { openStandalone, type Standalone } from '../../src/standalone/standalone.ts';
import { makeQuickFolder } from '../quick-folder.ts';

export const POLICY: Policy = { ...DEFAULT_POLICY, serverSide: 'never' };

export const TUNING: Tuning = { transfersMax: 8, bytesInFlightMax: 64 * 1024 * 1024, segmentsMax: 4, bandwidth: null };

export interface Bench extends AsyncDisposable {
  readonly source: MemoryStore;
  readonly target: MemoryStore;
  readonly state: Standalone;
  readonly world: RunWorld;
  run(
    policy?: Partial<Policy>,
    options?: Partial<RunOptions> & { only?: string | null; command?: string },
  ): Promise<RunResult>;
  log(result: RunResult): Promise<ItemRecord[]>;
  verify(result: RunResult): Promise<VerifyResult>;
  ends(runId?: string): Promise<{ source: Source; target: Target; readBack: Source }>;
  /** Key → text of everything in a store's container. */
  content(store: MemoryStore): Record<string, string>;
}

export async function openBench(
  sourceBehaviour: Partial<MemoryBehaviour> = {},
  targetBehaviour: Partial<MemoryBehaviour> = {},
  clock: Clock = systemClock,
): Promise<Bench> {
  const folder = makeQuickFolder('drover-engine-');
  const state = await openStandalone({ folder, clock, random: systemRandom, log: () => undefined });
  const source = new MemoryStore(sourceBehaviour, 'source');
  const target = new MemoryStore(targetBehaviour, 'target');
  source.ensure('in');
  target.ensure('out');
  const world: RunWorld = {
    clock,
    random: systemRandom,
    log: () => undefined,
    store: state.store,
    artifacts: state.artifacts,
    worker: 'test',
    requests: () => ({ source: { ...source.requests }, target: { ...target.requests } }),
  };
  const ends = async (runId = 'testrun00001'): Promise<{ source: Source; target: Target; readBack: Source }> => {
    const context = contextOf(clock);
    const none = new AbortController().signal;
    const from = await createMemoryProvider(source).open({ store: 'source' }, context);
    const to = await createMemoryProvider(target).open({ store: 'target' }, context);
    const versions = source.behaviour.isVersioned ? 'all' : 'current';
    return {
      source: await from.source({ container: 'in', prefix: '' }, { versions }, none),
      target: await to.target({ container: 'out', prefix: '' }, { facts: null, runId }, none),
      readBack: await to.source({ container: 'out', prefix: '' }, { versions: 'current' }, none),
    };
  };
  let number = 0;
  return {
    source,
    target,
    state,
    world,
    ends,
    async run(policy = {}, options = {}) {
      const whole = { ...POLICY, ...policy };
      const runId = options.continueRun?.runId ?? `testrun${String(number++).padStart(6, '0')}`;
      const definition = defineTransfer({
        command: options.command ?? 'copy',
        source: endOf('source', 'in', options.only ?? null),
        target: endOf('target', 'out', null),
        policy: whole,
        concessions: [],
      });
      return runTransfer(definition, await ends(runId), world, {
        runId,
        tuning: TUNING,
        signal: new AbortController().signal,
        onProgress: null,
        continueRun: null,
        ...options,
      });
    },
    async log(result) {
      const records: ItemRecord[] = [];
      for await (const record of readItems(result.run, world)) records.push(record);
      return records;
    },
    async verify(result) {
      const options = { signal: new AbortController().signal, onProgress: null, onDifference: null };
      return verifyRun(result.run, (await ends()).target, world, options);
    },
    content(store) {
      const container = store === source ? 'in' : 'out';
      return Object.fromEntries(store.keys(container).map((key) => [key, store.text(container, key) ?? '']));
    },
    async [Symbol.asyncDispose]() {
      await state.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function endOf(name: string, container: string, only: string | null): EndDefinition {
  return {
    connector: name,
    provider: 'memory',
    fingerprint: `memory|${name}`,
    place: { container, prefix: '' },
    label: `${name}:${container}`,
    only,
  };
}

function contextOf(clock: Clock): Context {
  return {
    openTransport: () => {
      throw new DroverError('INTERNAL', 'memory needs no network');
    },
    clock,
    random: systemRandom,
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
}

/** The sums that must hold for every run that has ended. */
export function sumsAgree(result: Pick<RunResult, 'run'>, records: readonly ItemRecord[]): void {
  const { items, verification } = result.run.counters;
  const sum = items.copied + items.same + items.excluded + items.skipped + items.unsupported + items.failed;
  if (sum !== items.scanned) throw new Error(`scanned ${items.scanned}, outcomes ${sum}`);
  const proofs = Object.values(verification).reduce((total, count) => total + count, 0);
  if (proofs !== items.copied) throw new Error(`copied ${items.copied}, classes ${proofs}`);
  const counted = (result_: string): number => records.filter((record) => record.result === result_).length;
  for (const outcome of ['copied', 'same', 'excluded', 'unsupported', 'failed', 'deleted'] as const) {
    const sumOfOutcome = items[outcome] + (outcome === 'failed' ? result.run.counters.deletesFailed : 0);
    if (counted(outcome) !== sumOfOutcome)
      throw new Error(`${outcome}: counter ${sumOfOutcome}, log ${counted(outcome)}`);
  }
}
