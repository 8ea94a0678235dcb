/** What the cases stand on: a clock that never makes anybody wait, and whole transfers between simulated clouds. */
import { rmSync } from 'node:fs';
import { parseConfig } from '../../src/contract/config.ts';
import type { Account, Context, Place, Provider, Source, Target } from '../../src/contract/provider.ts';
import type { EndDefinition } from '../../src/engine/definition.ts';
import type { RunOptions, RunResult, RunWorld } from '../../src/engine/world.ts';
import { readItems } from '../../src/engine/item-log.ts';
import { runTransfer } from '../../src/engine/run.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import { seededRandom } from '../../src/lib/fake-world.ts';
import { systemClock } from '../../src/lib/system.ts';
import type { Clock } from '../../src/lib/world.ts';
import type { ItemRecord } from '../../src/model/outcome.ts';
import type { Policy } from '../../src/model/policy.ts';
import { azureBlob } from '../../src/providers/azure-blob/provider.ts';
import { HONEST_FACTS, type MemoryBehaviour, type Seed } from '../../src/providers/memory/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { createAzureService, type AzureOptions, type AzureService } from '../../src/sim/azure-service.ts';
import type { SimRequest, SimResponse, SimService } from '../../src/sim/http.ts';
import { createS3Service, type S3Options, type S3Service } from '../../src/sim/s3-service.ts';
import { simTransport, type FaultOptions } from '../../src/sim/transport.ts';
import { openStandalone } from '../../src/standalone/standalone.ts';
import { makeQuickFolder } from '../quick-folder.ts';
import { POLICY, TUNING } from '../engine/bench.ts';

export const MIB = 1024 * 1024;

/** For memory: a source of which no digest is known, so that nothing can be forwarded and large objects go in parts. */
export const WITHOUT_DIGESTS: Partial<MemoryBehaviour> = {
  listedDigests: [],
  facts: { ...HONEST_FACTS, returned: [] },
};
/** The seed that goes with it. */
export const NO_DIGESTS: Seed = { digests: {} };
/** The same for S3: an ETag that is no digest, and no checksum, as in objects from before 2025 under somebody's key. */
export const BARE = { etag: 'not-a-digest', checksum: null } as const;

export interface HastyClock extends Clock {
  /** Milliseconds that were slept, all sleepers together. */
  readonly sleptMs: number;
  advance(ms: number): void;
}

/** Sleeping takes no time and moves the clock. Everyone else gets a turn in between. */
export function hastyClock(startMs = Date.UTC(2026, 5, 1)): HastyClock {
  let nowMs = startMs;
  let sleptMs = 0;
  return {
    now: () => nowMs,
    monotonic: () => nowMs - startMs,
    get sleptMs() {
      return sleptMs;
    },
    advance: (ms) => {
      nowMs += ms;
    },
    sleep: async (delayMs, signal) => {
      nowMs += Math.ceil(delayMs);
      sleptMs += delayMs;
      await systemClock.sleep(0, signal);
    },
  };
}

const SECRET = 'a-secret-that-opens-nothing';
const AZURE_KEY = Buffer.alloc(64, 3).toString('base64');
const S3_ORIGIN = 'http://s3.test';
const AZURE_ORIGIN = 'https://cases.blob.core.windows.net';

export type Kind = 's3' | 'azure';

export interface Clouds extends AsyncDisposable {
  readonly clock: HastyClock;
  /** Container `in` of the source and `out` of the target; both services are there, whichever serves. */
  readonly s3: S3Service;
  readonly azure: AzureService;
  run(policy?: Partial<Policy>, options?: Partial<RunOptions>): Promise<RunResult>;
  log(result: RunResult): Promise<ItemRecord[]>;
}

export interface CloudsOptions {
  readonly from: Kind;
  readonly to: Kind;
  /** Faults of each side's transport. */
  readonly source?: FaultOptions;
  readonly target?: FaultOptions;
  readonly s3?: Partial<S3Options>;
  readonly azure?: Partial<AzureOptions>;
  /** How far the clock of the services is ahead of ours. */
  readonly serviceAheadMs?: number;
  /** Called when both ends are open and the run begins. */
  readonly onBegin?: () => void;
  /** Changes what a service answers to the source's side. */
  readonly answer?: (request: SimRequest, response: SimResponse) => SimResponse;
}

/** Real providers and the real engine over simulated services. What the target honours was observed, as in production. */
export async function openClouds(options: CloudsOptions): Promise<Clouds> {
  const clock = hastyClock();
  const random = seededRandom(7);
  const serviceClock: Clock = { ...clock, now: () => clock.now() + (options.serviceAheadMs ?? 0) };
  const folder = makeQuickFolder('drover-cases-');
  const state = await openStandalone({ folder, clock, random, log: () => undefined });
  const s3Service = createS3Service({
    clock: serviceClock,
    random,
    partBytesMin: MIB,
    accounts: [{ accountId: '111111111111', users: [{ name: 'a', accessKeyId: 'AKCASES', secretAccessKey: SECRET }] }],
    virtualHostBases: ['s3.test'],
    ...options.s3,
  });
  const azureService = createAzureService({
    clock: serviceClock,
    random,
    accountName: 'cases',
    accountKey: AZURE_KEY,
    ...options.azure,
  });
  for (const name of ['inside', 'outside']) {
    s3Service.createBucket(name);
    azureService.createContainer(name);
  }
  const world: RunWorld = {
    clock,
    random,
    log: () => undefined,
    store: state.store,
    artifacts: state.artifacts,
    worker: 'test',
    requests: () => ({ source: {}, target: {} }),
  };
  const open = async (kind: Kind, faults: FaultOptions, side: 'source' | 'target'): Promise<Account> => {
    const bent = (service: SimService): SimService =>
      side === 'target' || options.answer === undefined
        ? service
        : {
            handle: async (request) =>
              (options.answer as NonNullable<typeof options.answer>)(request, await service.handle(request)),
          };
    const routes = (origin: string): SimService | null => {
      if (origin.endsWith('s3.test')) return bent(s3Service);
      return origin === AZURE_ORIGIN ? bent(azureService) : null;
    };
    const context: Context = {
      openTransport: simTransport(routes, { clock, ...faults }),
      clock,
      random,
      log: () => undefined,
      environment: {},
      saveAccount: async () => undefined,
    };
    return openAccount(kind, context);
  };
  let number = 0;
  return {
    clock,
    s3: s3Service,
    azure: azureService,
    async run(policy = {}, given = {}) {
      const runId = given.continueRun?.runId ?? `caserun${String(number++).padStart(6, '0')}`;
      const { signal } = new AbortController();
      const quiet = await open(options.to, {}, 'target');
      const facts = (await (await quiet.target(OUT, { facts: null, runId }, signal)).observe?.(signal)) ?? null;
      const from = await open(options.from, options.source ?? {}, 'source');
      const to = await open(options.to, options.target ?? {}, 'target');
      const source: Source = await from.source(IN, { versions: policy.versions ?? 'current' }, signal);
      const target: Target = await to.target(OUT, { facts, runId }, signal);
      const definition = defineTransfer({
        command: 'copy',
        source: endOf(options.from, IN),
        target: endOf(options.to, OUT),
        policy: { ...POLICY, ...policy },
        concessions: [],
      });
      const readBack = policy.verify === 'read-back' ? await to.source(OUT, { versions: 'current' }, signal) : null;
      options.onBegin?.();
      const ends = { source, target, ...(readBack !== null && { readBack }) };
      return runTransfer(definition, ends, world, {
        runId,
        tuning: TUNING,
        signal,
        onProgress: null,
        continueRun: null,
        ...given,
      });
    },
    async log(result) {
      const records: ItemRecord[] = [];
      for await (const record of readItems(result.run, world)) records.push(record);
      return records;
    },
    async [Symbol.asyncDispose]() {
      await state.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const IN: Place = { container: 'inside', prefix: '' };
const OUT: Place = { container: 'outside', prefix: '' };

function openAccount(kind: Kind, context: Context): Promise<Account> {
  const [provider, form]: [Provider, Record<string, unknown>] =
    kind === 's3'
      ? [s3, { endpoint: S3_ORIGIN, accessKeyId: 'AKCASES', secretAccessKey: SECRET, region: 'us-east-1' }]
      : [azureBlob, { accountName: 'cases', accountKey: AZURE_KEY }];
  const parsed = parseConfig(provider.account, form);
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return provider.open(parsed.config, context);
}

function endOf(kind: Kind, place: Place): EndDefinition {
  return {
    connector: kind,
    provider: kind === 's3' ? 's3' : 'azure-blob',
    fingerprint: `${kind}|cases`,
    place,
    label: `${kind}:${place.container}`,
    only: null,
  };
}
