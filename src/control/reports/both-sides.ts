/**
 * Source and target as they are listed now, compared by the plan of a run: its filters, its names, its mode. The engine
 * does it, as it does a validation; its state is nobody's and goes with it.
 */
import { chunkPrefix } from '../../engine/chunks.ts';
import { readItems } from '../../engine/item-log.ts';
import type { ArtifactStore, RunRecord, RunStore } from '../../engine/ports.ts';
import { newRun, runTransfer } from '../../engine/run.ts';
import { indexSnapshot, storeSnapshotIndex } from '../../engine/snapshot.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { ItemRecord } from '../../model/outcome.ts';
import type { Policy } from '../../model/policy.ts';
import type { Run, RunSnapshot } from '../entities.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';
import { PassingStore, type EarlierRuns } from './passing-store.ts';
import { Sides, type SideTotals } from './sides.ts';

const LISTED_MAX = 1_000;
const BYTES_IN_FLIGHT_MAX = 4 * 1024 * 1024;
const SEGMENTS_AT_ONCE = 4;

export interface BothSides {
  readonly startedAt: string;
  readonly endedAt: string;
  readonly scanned: number;
  /** What the comparison is about: without what the job leaves out. */
  readonly source: SideTotals;
  /** Of the same; what only the target has is in it where that is looked for. */
  readonly target: SideTotals;
  readonly same: number;
  /** Only sizes and times could be compared. */
  readonly sameWeak: number;
  readonly excluded: number;
  readonly missing: number;
  readonly different: number;
  /** Only at the target; 0 where the job only adds, because nobody looked. */
  readonly extra: number;
  /** Could not be compared. */
  readonly notComparable: number;
  /** The first 1,000 of them. */
  readonly differences: readonly Pick<ItemRecord, 'key' | 'result' | 'code' | 'details'>[];
}

export interface BothSidesNotCompared {
  readonly notCompared: string;
  readonly isFault: boolean;
}

export interface ComparingParts {
  readonly world: ControlWorld;
  readonly store: RunStore;
  readonly openConnector: OpenConnector;
}

/** `scratch`: a name in the artifact store below which nothing else is; what stands there is removed. */
export async function compareBothSides(
  parts: ComparingParts,
  run: Pick<Run, 'kind' | 'state'>,
  record: RunRecord,
  snapshot: RunSnapshot,
  scratch: string,
  signal: AbortSignal,
): Promise<BothSides | BothSidesNotCompared> {
  const why = reasonNot(run);
  if (why !== null) return { notCompared: why, isFault: false };
  const { artifacts } = parts.world;
  try {
    // Of a server that ended while it did the same.
    await artifacts.removeAll(`${scratch}/`);
    return await compare(parts, record, snapshot, scratch, signal);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return { notCompared: toDroverError(thrown).message, isFault: true };
  } finally {
    await artifacts.removeAll(`${scratch}/`).catch(() => undefined);
  }
}

function reasonNot({ kind, state }: Pick<Run, 'kind' | 'state'>): string | null {
  if (state !== 'succeeded' && state !== 'completed-with-issues') return 'The run did not come to its end.';
  if (kind === 'dry-run') return 'A dry run moves nothing.';
  if (kind === 'retry') return 'A retry looks only at what failed before.';
  return null;
}

async function compare(
  { world, store, openConnector }: ComparingParts,
  record: RunRecord,
  { source, target, settings }: RunSnapshot,
  scratch: string,
  signal: AbortSignal,
): Promise<BothSides> {
  const { clock, random, log } = world;
  const startedAtMs = clock.now();
  const runId = `compare${Buffer.from(random.bytes(6)).toString('hex')}`;
  await using closing = new AsyncDisposableStack();
  const open = async (connectorId: string) =>
    closing.use((await openConnector(connectorId, world.openTransport)).account);
  const from = await open(source.connectorId);
  const to = await open(target.connectorId);
  const ends = {
    source: closing.use(await from.source(source.place, { versions: settings.versions }, signal)),
    target: closing.use(await to.target(target.place, { facts: null, runId }, signal)),
  };
  // Ages count from the run's own start, or a filter would mean something else today.
  const definition = { ...record.definition, command: 'check', policy: comparingPolicy(settings) };
  const known = await knownBefore(world.artifacts, store, record);
  const passing = new PassingStore(newRun(runId, definition, record.startedAtMs), known);
  const engineWorld = {
    clock,
    random,
    log,
    store: passing,
    artifacts: below(world.artifacts, chunkPrefix(runId), `${scratch}/`),
    worker: 'report',
    requests: () => ({ source: {}, target: {} }),
  };
  const tuning = {
    transfersMax: null,
    bytesInFlightMax: BYTES_IN_FLIGHT_MAX,
    segmentsMax: SEGMENTS_AT_ONCE,
    bandwidth: null,
  };
  const continueRun = await passing.getRun(runId);
  const result = await runTransfer(definition, ends, engineWorld, {
    runId,
    tuning,
    signal,
    onProgress: null,
    continueRun,
  });
  signal.throwIfAborted();
  const { error } = result;
  if (error !== null) throw new DroverError(error.code, error.message, { field: error.field, remedy: error.remedy });
  const { items, differences: found, sameWeak } = result.run.counters;
  const { missing, different, extra } = found;
  const notComparable = items.failed + items.unsupported;
  const { sides, listed } = await collect(result.run, engineWorld, signal);
  return {
    startedAt: new Date(startedAtMs).toISOString(),
    endedAt: new Date(clock.now()).toISOString(),
    scanned: items.scanned,
    source: sides.source,
    target: sides.target,
    same: items.same,
    sameWeak,
    excluded: items.excluded,
    missing,
    different,
    extra,
    notComparable,
    differences: listed,
  };
}

/**
 * What a comparison has read on both sides is known as long as both are in the states it has seen: nothing is read again.
 * The index is one more file of that run, and no manifest: nothing was copied.
 */
async function knownBefore(artifacts: ArtifactStore, store: RunStore, record: RunRecord): Promise<EarlierRuns> {
  if (record.definition.policy.mode !== 'check') return store;
  const index = await indexSnapshot(artifacts, record.runId, await store.segments(record.runId));
  await storeSnapshotIndex(artifacts, index);
  return {
    findLatestSnapshot: async () => ({ ...record, manifestRoot: index.root }),
    // Whatever came before is in its rows.
    findEvidence: async () => [],
    segments: store.segments.bind(store),
  };
}

/** As a validation compares. */
function comparingPolicy(settings: Policy): Policy {
  const oneWay = settings.mode === 'check' ? settings.oneWay : settings.mode === 'merge';
  return { ...settings, mode: 'check', dryRun: false, oneWay };
}

const SHOWN: readonly ItemRecord['result'][] = ['missing', 'different', 'extra', 'failed', 'unsupported'];

async function collect(
  run: RunRecord,
  world: { readonly store: RunStore; readonly artifacts: ArtifactStore },
  signal: AbortSignal,
): Promise<{ readonly sides: Sides; readonly listed: BothSides['differences'] }> {
  const sides = new Sides();
  const listed: BothSides['differences'][number][] = [];
  for await (const item of readItems(run, world)) {
    signal.throwIfAborted();
    sides.add(item);
    const { key, result, code, details } = item;
    if (!SHOWN.includes(result) || listed.length >= LISTED_MAX) continue;
    listed.push({ key, result, code, ...(details === undefined ? {} : { details }) });
  }
  return { sides, listed };
}

/** The same store, with everything below one name moved below another. */
function below(artifacts: ArtifactStore, from: string, to: string): ArtifactStore {
  const moved = (name: string): string => (name.startsWith(from) ? `${to}${name.slice(from.length)}` : name);
  return {
    put: (name, content) => artifacts.put(moved(name), content),
    get: (name) => artifacts.get(moved(name)),
    list: async (prefix) => {
      const names = await artifacts.list(moved(prefix));
      return prefix.startsWith(from) ? names.map((name) => `${from}${name.slice(to.length)}`) : names;
    },
    removeAll: (prefix) => artifacts.removeAll(moved(prefix)),
  };
}
