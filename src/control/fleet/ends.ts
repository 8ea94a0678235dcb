/** Opens both ends of a run for one worker: signed in, counted, held back to its share, and watched for errors. */
import { sql } from 'kysely';
import type { Account, Source, Target, TargetFacts } from '../../contract/provider.ts';
import type { TransferDefinition } from '../../engine/definition.ts';
import { rightsOf, type AskRights, type Need } from '../../engine/denials.ts';
import { noteSide, sideOf } from '../../engine/failure-facts.ts';
import type { RequestCounts } from '../../engine/ports.ts';
import type { Ends } from '../../engine/world.ts';
import { countRequests } from '../../lib/counting.ts';
import type { TrafficSide } from '../metrics/traffic.ts';
import { DEFAULT_LIMITS, limitRequests, type LimitSnapshot } from '../../lib/limiting.ts';
import { retrying } from '../../lib/retry.ts';
import { toDroverError, type DroverError } from '../../model/errors.ts';
import { refuseOverlap } from '../endpoints/identity.ts';
import { inDatabase } from '../runs/database-errors.ts';
import type { FleetWorld } from './parts.ts';
import { retryEnds } from './retry-ends.ts';
import type { Shares } from './shares.ts';
import { watched } from './watched.ts';

const OPENING_ATTEMPTS_MAX = 3;
/** A side counts as throttled for so long after it asked to slow down. */
const THROTTLED_MS = 5_000;
/** For so long after that, requests that wait do so because of it. */
const WARY_MS = 60_000;

export interface RunToOpen {
  readonly runId: string;
  readonly jobId: string;
  readonly kind: string;
  readonly retryOf: string | null;
  readonly definition: TransferDefinition;
  readonly sourceConnectorId: string;
  readonly targetConnectorId: string;
  readonly targetEndpointId: string | null;
  readonly targetFacts: TargetFacts | null;
}

export type SideName = Exclude<TrafficSide, 'server'>;

/** What one side has told so far. */
export class Side {
  readonly name: SideName;
  readonly connectorId: string;
  /** Of the connector when it was opened: what fails with what was replaced since says nothing about it. */
  version: number | undefined = undefined;
  readonly counts: Record<string, number> = {};
  /** While it is open. */
  account: Account | null = null;
  throttledAtMs = Number.NEGATIVE_INFINITY;
  /** Of its requests, while it is open. */
  limits: (() => LimitSnapshot) | null = null;

  constructor(name: SideName, connectorId: string) {
    this.name = name;
    this.connectorId = connectorId;
  }

  isThrottled(nowMs: number): boolean {
    return nowMs - this.throttledAtMs < THROTTLED_MS;
  }

  /** Requests that wait because the service has asked for fewer; that others wait at first is only Drover trying. */
  heldBack(nowMs: number): number {
    const limits = this.limits?.();
    if (limits === undefined || limits.throttles === 0) return 0;
    const isWary = nowMs - this.throttledAtMs < WARY_MS || limits.ceiling < DEFAULT_LIMITS.concurrencyStart;
    return isWary ? limits.waiting + limits.waitingForRate : 0;
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
      job_id: string;
      kind: string;
      retry_of: string | null;
      definition: string;
      source_connector_id: string;
      target_connector_id: string;
      endpoint_id: string | null;
      facts: TargetFacts | null;
    }>`SELECT runs.job_id, runs.kind, runs.retry_of, runs.definition, runs.source_connector_id, runs.target_connector_id,
        endpoints.id AS endpoint_id, endpoints.facts
      FROM runs LEFT JOIN jobs ON jobs.id = runs.job_id LEFT JOIN endpoints ON endpoints.id = jobs.target_endpoint_id
      WHERE runs.id = ${runId}`.execute(world.db),
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    runId,
    jobId: row.job_id,
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
  const into = sides.target.account;
  if (into !== null) await refuseSamePlace(world, run, sides, { from, into }, signal);
  const readBack =
    policy.verify === 'read-back' && !policy.dryRun && into !== null
      ? await patiently(world, sides.target, signal, () =>
          into.source(run.definition.target.place, { versions: 'current' }, signal),
        )
      : null;
  if (readBack !== null) cleanup.use(readBack);
  const ends: Ends = {
    ...(readBack === null ? {} : { readBack: watchedSide(world, sides.target, readBack) }),
    source: watchedSide(world, sides.source, source),
    target: watchedSide(world, sides.target, target),
  };
  const seen = run.kind === 'retry' && run.retryOf !== null ? await retryEnds(world, run, ends, signal) : ends;
  return { ...ends, ...seen, whole: ends, rights: rightsAt(run, sides) };
}

/** Once more at the last moment: links, and what connectors lead to, can have changed since the run was started. */
async function refuseSamePlace(
  world: FleetWorld,
  { definition }: RunToOpen,
  sides: Sides,
  { from, into }: { readonly from: Account; readonly into: Account },
  signal: AbortSignal,
): Promise<void> {
  const { source, target } = definition;
  const [ofSource, ofTarget] = [
    await patiently(world, sides.source, signal, () => from.identify(source.place)),
    await patiently(world, sides.target, signal, () => into.identify(target.place)),
  ];
  refuseOverlap({ identity: ofSource, fullPath: source.label }, { identity: ofTarget, fullPath: target.label });
}

const AND_THEN = 'Then test the connector or resume the run: it goes on where it stopped.';

/** The engine says what is missing, and this part whose connector it is. */
function rightsAt({ definition }: Pick<RunToOpen, 'definition'>, sides: Sides): AskRights {
  return async (name, need, signal) => {
    const side = sides[name];
    if (side.account === null) return null;
    const { place, label } = definition[name];
    const asked = { account: side.account, place, label };
    const refusal = await rightsOf({ source: asked, target: asked }, definition.policy, AND_THEN)(name, need, signal);
    if (refusal !== null) noteSide(refusal, name);
    return refusal;
  };
}

/** What exactly is missing where a listing or an opening was denied; the same error where the check finds nothing. */
export async function explained(
  error: DroverError,
  run: Pick<RunToOpen, 'definition'>,
  sides: Sides,
  signal: AbortSignal,
): Promise<DroverError> {
  const side = sideOf(error);
  if (error.code !== 'PERMISSION_DENIED' || side === null || signal.aborted) return error;
  const needs: readonly Need[] = side === 'source' ? ['read'] : ['read', 'write'];
  for (const need of needs) {
    const refusal = await rightsAt(run, sides)(side, need, signal).catch(() => null);
    if (refusal?.code === 'PERMISSION_DENIED') return refusal;
  }
  return error;
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
  // What earlier versions of the program saw does not say whether the target keeps versions.
  const saysEnough = policy.versions === 'current' || run.targetFacts?.keepsVersions !== undefined;
  const isKnown = run.targetFacts !== null && saysEnough;
  if (!writes || isKnown || target.observe === undefined) return target;
  try {
    const observed = await patiently(world, side, signal, async () => target.observe!(signal));
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
  const { clock, openTransport, traffic } = world;
  // One place counts for the run's page, for what limits its speed, and for the metrics.
  const onThrottled = (): void => void (side.throttledAtMs = clock.monotonic());
  const watched = traffic.counting(side.connectorId, side.name, openTransport, clock, onThrottled);
  const counted = countRequests(watched, side.counts);
  const limited = limitRequests(counted, { clock, ...DEFAULT_LIMITS });
  cleanup.use(traffic.watch(side.connectorId, side.name, limited.snapshot));
  const { account, version } = await patiently(world, side, signal, () =>
    world.parts.openConnector(side.connectorId, shares.limited(side.connectorId, limited)),
  );
  side.version = version;
  side.limits = limited.snapshot;
  side.account = account;
  cleanup.defer(() => {
    side.account = null;
    side.limits = null;
  });
  return cleanup.use(account);
}

function watchedSide<T extends Source | Target>({ clock }: FleetWorld, side: Side, end: T): T {
  return watched(end, (error, part) => noteError(clock.monotonic(), side, error, part));
}

/**
 * What the source breaks off with inside of a write to the target is seen by both: it stays the source's. What a target
 * says that copies by itself may be said of the object that it should have fetched: that nobody knows.
 */
export function noteError(nowMs: number, side: Side, error: DroverError, part: string): void {
  if (part !== 'serverSideCopy' || error.policy.scope === 'account') noteSide(error, side.name);
  if (error.code === 'THROTTLED' && (sideOf(error) ?? side.name) === side.name) side.throttledAtMs = nowMs;
}

async function patiently<T>(
  { clock, random, traffic }: FleetWorld,
  side: Side,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const onRetry = ({ code }: DroverError): void => traffic.retried(side.connectorId, side.name, code);
    return await retrying(work, { clock, random, signal, onRetry, attemptsMax: OPENING_ATTEMPTS_MAX });
  } catch (error) {
    noteError(clock.monotonic(), side, toDroverError(error), '');
    throw error;
  }
}
