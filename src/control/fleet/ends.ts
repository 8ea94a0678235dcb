/** Opens both ends of a run for one worker: signed in, counted, held back to its share, and watched for errors. */
import { sql } from 'kysely';
import type { Account, Source, Target, TargetFacts } from '../../contract/provider.ts';
import type { TransferDefinition } from '../../engine/definition.ts';
import type { RequestCounts } from '../../engine/ports.ts';
import type { Ends } from '../../engine/world.ts';
import { countRequests } from '../../lib/counting.ts';
import { DEFAULT_LIMITS, limitRequests } from '../../lib/limiting.ts';
import { retrying } from '../../lib/retry.ts';
import type { OpenTransport } from '../../lib/transport.ts';
import { toDroverError, type DroverError } from '../../model/errors.ts';
import { inDatabase } from '../runs/database-errors.ts';
import type { FleetWorld } from './parts.ts';
import { retryEnds } from './retry-ends.ts';
import type { Shares } from './shares.ts';
import { watched } from './watched.ts';

const OPENING_ATTEMPTS_MAX = 3;
/** A side counts as throttled for so long after it asked to slow down. */
const THROTTLED_MS = 5_000;

export interface RunToOpen {
  readonly runId: string;
  readonly kind: string;
  readonly retryOf: string | null;
  readonly definition: TransferDefinition;
  readonly sourceConnectorId: string;
  readonly targetConnectorId: string;
  readonly targetEndpointId: string | null;
  readonly targetFacts: TargetFacts | null;
}

export type SideName = 'source' | 'target';

/** What one side has told so far. */
export class Side {
  readonly connectorId: string;
  /** Of the connector when it was opened: what fails with what was replaced since says nothing about it. */
  version: number | undefined = undefined;
  readonly counts: Record<string, number> = {};
  /** The last error of the whole account. */
  accountError: DroverError | null = null;
  throttledAtMs = Number.NEGATIVE_INFINITY;

  constructor(connectorId: string) {
    this.connectorId = connectorId;
  }

  isThrottled(nowMs: number): boolean {
    return nowMs - this.throttledAtMs < THROTTLED_MS;
  }
}

export interface Sides {
  readonly source: Side;
  readonly target: Side;
}

export function requestsOf({ source, target }: Sides): RequestCounts {
  return { source: { ...source.counts }, target: { ...target.counts } };
}

/** `null` when there is no such run (any more). */
export async function readRunToOpen(world: FleetWorld, runId: string): Promise<RunToOpen | null> {
  const { rows } = await inDatabase(() =>
    sql<{
      kind: string;
      retry_of: string | null;
      definition: string;
      source_connector_id: string;
      target_connector_id: string;
      endpoint_id: string | null;
      facts: TargetFacts | null;
    }>`SELECT runs.kind, runs.retry_of, runs.definition, runs.source_connector_id, runs.target_connector_id,
        endpoints.id AS endpoint_id, endpoints.facts
      FROM runs LEFT JOIN jobs ON jobs.id = runs.job_id LEFT JOIN endpoints ON endpoints.id = jobs.target_endpoint_id
      WHERE runs.id = ${runId}`.execute(world.db),
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    runId,
    kind: row.kind,
    retryOf: row.retry_of,
    definition: JSON.parse(row.definition) as TransferDefinition,
    sourceConnectorId: row.source_connector_id,
    targetConnectorId: row.target_connector_id,
    targetEndpointId: row.endpoint_id,
    targetFacts: row.facts,
  };
}

/** Both ends; what was opened is handed to `cleanup`, also when the second one fails. */
export async function openEnds(
  world: FleetWorld,
  run: RunToOpen,
  sides: Sides,
  shares: Shares,
  cleanup: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Ends> {
  const { policy } = run.definition;
  const from = await openAccount(world, sides.source, shares, cleanup, signal);
  const place = run.definition.source.place;
  const source = await patiently(world, sides.source, signal, () =>
    from.source(place, { versions: policy.versions }, signal),
  );
  cleanup.use(source);
  const target = await openTarget(world, run, sides.target, shares, cleanup, signal);
  const ends: Ends = {
    source: watchedSide(world, sides.source, source),
    target: watchedSide(world, sides.target, target),
  };
  return run.kind === 'retry' && run.retryOf !== null ? retryEnds(world, run, ends, signal) : ends;
}

/** The target alone, with what its store was seen to honour; asked once for each endpoint. */
export async function openTarget(
  world: FleetWorld,
  run: RunToOpen,
  side: Side,
  shares: Shares,
  cleanup: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Target> {
  const { place } = run.definition.target;
  const { policy } = run.definition;
  const account = await openAccount(world, side, shares, cleanup, signal);
  const open = (facts: TargetFacts | null): Promise<Target> =>
    patiently(world, side, signal, () => account.target(place, { facts, runId: run.runId }, signal));
  const target = cleanup.use(await open(run.targetFacts));
  const writes = !policy.dryRun && policy.mode !== 'check';
  if (!writes || run.targetFacts !== null || target.observe === undefined) return target;
  try {
    const observed = await target.observe(signal);
    await keepFacts(world, run, observed);
    return cleanup.use(await open(observed));
  } catch (error) {
    // Who may only write cannot probe: every answer is then unknown, and the run says what that costs.
    if (toDroverError(error).code !== 'PERMISSION_DENIED') throw error;
    return target;
  }
}

async function keepFacts(world: FleetWorld, { targetEndpointId }: RunToOpen, facts: TargetFacts): Promise<void> {
  if (targetEndpointId === null) return;
  await inDatabase(() =>
    sql`UPDATE endpoints SET facts = ${JSON.stringify(facts)}::jsonb WHERE id = ${targetEndpointId}`.execute(world.db),
  );
}

/** Each run has its own lanes to the network, so that one that is throttled holds up no other. */
async function openAccount(
  world: FleetWorld,
  side: Side,
  shares: Shares,
  cleanup: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Account> {
  const { clock } = world;
  const counted = countRequests(throttleWatched(world, side), side.counts);
  const limited = limitRequests(counted, { clock, ...DEFAULT_LIMITS });
  const { account, version } = await patiently(world, side, signal, () =>
    world.parts.openConnector(side.connectorId, shares.limited(side.connectorId, limited)),
  );
  side.version = version;
  return cleanup.use(account);
}

function throttleWatched({ openTransport, clock }: FleetWorld, side: Side): OpenTransport {
  return (settings) => {
    const inner = openTransport(settings);
    return {
      send: async (request) => {
        const response = await inner.send(request);
        if (response.status === 429 || response.status === 503) side.throttledAtMs = clock.monotonic();
        return response;
      },
      close: () => inner.close(),
    };
  };
}

function watchedSide<T extends Source | Target>({ clock }: FleetWorld, side: Side, end: T): T {
  return watched(end, (error) => noteError(clock.monotonic(), side, error));
}

function noteError(nowMs: number, side: Side, error: DroverError): void {
  if (error.code === 'THROTTLED') side.throttledAtMs = nowMs;
  if (error.policy.scope === 'account') side.accountError = error;
}

async function patiently<T>(
  { clock, random }: FleetWorld,
  side: Side,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await retrying(work, { clock, random, signal, attemptsMax: OPENING_ATTEMPTS_MAX });
  } catch (error) {
    noteError(clock.monotonic(), side, toDroverError(error));
    throw error;
  }
}
