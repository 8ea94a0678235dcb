/**
 * Limits that hold for all workers together, cut into shares: of a connector's requests per second and of a timetable's
 * bandwidth each worker has an equal part; of transfers, which are whole, each part in a run has one. Who is at work is
 * read before a run is begun, as soon as somebody joins, and every few seconds. How it is cut: `sharing.ts`.
 */
import { sql } from 'kysely';
import { Shaper } from '../../lib/shaper.ts';
import type { OpenTransport } from '../../lib/transport.ts';
import type { BandwidthTimetable } from '../../engine/definition.ts';
import type { ConnectorLimits } from '../entities.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { Bandwidths } from './bandwidth.ts';
import type { FleetWorld } from './parts.ts';
import { firstLook, isAcknowledged, shareOf, wholeShareOf, workersAmong, type Participant } from './sharing.ts';
import { IS_THERE } from './transfers.ts';
import { Turns, type Line } from './turns.ts';

interface ConnectorShare {
  limits: ConnectorLimits;
  /** Anything has changed since a run with it began when this has. */
  revision: string;
  participants: readonly Participant[];
  /** At its requests per second: a line for each who has opened it. */
  readonly turns: Turns;
}

interface RunShare {
  readonly participants: readonly Participant[];
  readonly transfersMax: number | null;
}

/** A run of this worker. */
interface OwnRun {
  readonly connectorIds: readonly string[];
  /** The first look after it had joined, by the database's clock; whoever looks later sees it. */
  seenSinceMs: number | null;
}

export interface TransfersLimit {
  /** `null`: the job's. */
  readonly connectorId: string | null;
  /** For all workers together. */
  readonly most: number;
  /** This worker's part. */
  readonly share: number;
}

const NO_LIMITS: ConnectorLimits = { requestsPerSecond: null, transfersMax: null };

export class Shares {
  readonly #world: FleetWorld;
  readonly #workerId: string;
  readonly #connectors = new Map<string, ConnectorShare>();
  readonly #runs = new Map<string, RunShare>();
  readonly #own = new Map<string, OwnRun>();
  readonly #bandwidths: Bandwidths;
  #lookedAt: string | null = null;

  constructor(world: FleetWorld, workerId: string) {
    this.#world = world;
    this.#workerId = workerId;
    this.#bandwidths = new Bandwidths(world.clock, (runIds, all) => this.#isAcknowledgedSince(runIds, all));
  }

  /** This worker takes part in that run, and says so already; from now on its limits are known. */
  async join(runId: string, connectorIds: readonly string[]): Promise<void> {
    this.#own.set(runId, { connectorIds, seenSinceMs: null });
    await this.refresh();
    // The others look at once, not only at their next turn.
    await this.#world.bus.tell('worker', this.#workerId);
  }

  leave(runId: string): void {
    this.#own.delete(runId);
    this.#runs.delete(runId);
    this.#bandwidths.leave(runId);
    const used = [...this.#own.values()].flatMap(({ connectorIds }) => connectorIds);
    for (const id of this.#connectors.keys()) if (!used.includes(id)) this.#connectors.delete(id);
  }

  /** As of when the shares are: for `run_workers.shares_at`, by which others know that they were counted. */
  get lookedAt(): string | null {
    return this.#lookedAt;
  }

  /** Somebody has not counted this worker yet: its shares are next to nothing until then. */
  get isWaiting(): boolean {
    if (this.#bandwidths.isWaiting) return true;
    return [...this.#own].some(
      ([runId, { connectorIds }]) =>
        !this.#isAcknowledgedIn(runId) || connectorIds.some((id) => !this.#isAcknowledgedAt(id)),
    );
  }

  /** Reads who is at work on what. */
  async refresh(): Promise<void> {
    const runIds = [...this.#own.keys()];
    const connectorIds = [...new Set([...this.#own.values()].flatMap((own) => own.connectorIds))];
    if (runIds.length === 0) return;
    const known = await this.#readLimits(runIds, connectorIds);
    const timetableIds = known.runs.flatMap(({ timetable_id: id }) => (id === null ? [] : [id]));
    const { rows } = await inDatabase(() =>
      sql<ParticipantRow>`
        SELECT statement_timestamp()::text AS now, extract(epoch FROM statement_timestamp())::float8 * 1000 AS now_ms,
          run_workers.run_id, run_workers.worker_id, runs.source_connector_id AS source, runs.target_connector_id AS target,
          jobs.timetable_id,
          extract(epoch FROM run_workers.joined_at)::float8 * 1000 AS joined_ms,
          extract(epoch FROM run_workers.shares_at)::float8 * 1000 AS looked_ms
        FROM run_workers JOIN runs ON runs.id = run_workers.run_id JOIN jobs ON jobs.id = runs.job_id
        WHERE ${IS_THERE} AND (runs.source_connector_id = ANY(${connectorIds}::uuid[])
          OR runs.target_connector_id = ANY(${connectorIds}::uuid[])
          OR jobs.timetable_id = ANY(${timetableIds}::uuid[]))`.execute(this.#world.db),
    );
    const participants = rows.map(participantOf);
    for (const { id, limits, revision } of known.connectors) {
      const all = participants.filter((one) => one.connectorIds.includes(id));
      if (this.#isUsed(id)) Object.assign(this.#connector(id), { limits, revision, participants: all });
    }
    for (const { id, transfers_max: transfersMax, timetable_id: timetableId, timetable } of known.runs) {
      if (!this.#own.has(id)) continue;
      this.#runs.set(id, { participants: participants.filter(({ runId }) => runId === id), transfersMax });
      const sharing = rows.filter(({ timetable_id: other }) => other !== null && other === timetableId);
      const saved = timetableId === null || timetable === null ? null : { id: timetableId, timetable };
      this.#bandwidths.set(id, saved, sharing.map(participantOf));
    }
    for (const [runId, own] of this.#own) {
      const isThere = participants.some((one) => one.runId === runId && one.workerId === this.#workerId);
      const nowMs = rows[0]?.now_ms;
      if (isThere && runIds.includes(runId) && nowMs !== undefined) own.seenSinceMs = firstLook(own.seenSinceMs, nowMs);
    }
    this.#lookedAt = rows[0]?.now ?? this.#lookedAt;
  }

  async #readLimits(runIds: readonly string[], connectorIds: readonly string[]): Promise<Limits> {
    const { db } = this.#world;
    const connectors = await inDatabase(() =>
      sql<Limits['connectors'][number]>`
        SELECT id, limits, md5(config::text || secret_fingerprints::text) AS revision FROM connectors
        WHERE id = ANY(${connectorIds}::uuid[])`.execute(db),
    );
    const runs = await inDatabase(() =>
      sql<Limits['runs'][number]>`
        SELECT runs.id, jobs.transfers_max, jobs.timetable_id, timetables.timetable
        FROM runs JOIN jobs ON jobs.id = runs.job_id LEFT JOIN timetables ON timetables.id = jobs.timetable_id
        WHERE runs.id = ANY(${runIds}::text[])`.execute(db),
    );
    return { connectors: connectors.rows, runs: runs.rows };
  }

  /** Looks every few seconds, at once when somebody joins, and often while others have not counted this worker yet. */
  async keep(signal: AbortSignal, onFault: (thrown: unknown) => void): Promise<void> {
    const { clock, timing, bus } = this.#world;
    let wake = new AbortController();
    const unlisten = bus.listen((topic) => topic === 'worker' && wake.abort());
    while (!signal.aborted) {
      wake = new AbortController();
      await this.refresh().catch(onFault);
      const delayMs = this.isWaiting ? timing.progressEveryMs : timing.sharesEveryMs;
      await clock.sleep(delayMs, AbortSignal.any([signal, wake.signal])).catch(() => undefined);
    }
    unlisten();
  }

  /** What the connector's fields and secrets were when they were last read. */
  revisionOf(connectorId: string): string | null {
    return this.#connectors.get(connectorId)?.revision ?? null;
  }

  /** The share of the run's transfers that this worker may have in flight; `null`: no limit was set. */
  transfersMax(runId: string, connectorIds: readonly string[]): number | null {
    const most = this.#wholeShare(runId, connectorIds);
    if (most === null) return null;
    const isAcknowledged =
      this.#isAcknowledgedIn(runId) && connectorIds.every((id) => this.#isAcknowledgedAt(id, runId));
    return isAcknowledged ? Math.max(1, most) : 1;
  }

  /** There are more at work than there are transfers to give out, and this part came last: it has to end. */
  isCrowdedOut(runId: string): boolean {
    return this.#wholeShare(runId, this.#own.get(runId)?.connectorIds ?? []) === 0;
  }

  #wholeShare(runId: string, connectorIds: readonly string[]): number | null {
    const limits = this.#transfersLimits(runId, connectorIds);
    return limits.length === 0 ? null : Math.min(...limits.map(({ share }) => share));
  }

  #transfersLimits(runId: string, connectorIds: readonly string[]): readonly TransfersLimit[] {
    const own = { runId, workerId: this.#workerId };
    const limits: TransfersLimit[] = [];
    for (const id of connectorIds) {
      const connector = this.#connectors.get(id);
      const most = connector?.limits.transfersMax ?? null;
      if (most === null || connector === undefined) continue;
      limits.push({ connectorId: id, most, share: wholeShareOf(most, own, connector.participants) });
    }
    const run = this.#runs.get(runId);
    if (run !== undefined && run.transfersMax !== null) {
      const { transfersMax: most, participants } = run;
      limits.push({ connectorId: null, most, share: wholeShareOf(most, own, participants) });
    }
    return limits;
  }

  /** The timetable of the run's job, as it is saved now. */
  bandwidth(runId: string): BandwidthTimetable | null {
    return this.#bandwidths.of(runId);
  }

  /** Resolves when so many bytes may go. A changed timetable, or another one, holds as soon as it is known. CANCELLED. */
  takeBandwidth(runId: string, bytes: number, signal: AbortSignal): Promise<void> {
    return this.#bandwidths.take(runId, bytes, signal);
  }

  /** Requests wait for the limit of the connector. */
  isHoldingBack(connectorId: string): boolean {
    return this.waitingFor(connectorId) > 0;
  }

  /** How many of them, of all runs of this worker. */
  waitingFor(connectorId: string): number {
    return this.#connectors.get(connectorId)?.turns.waiting ?? 0;
  }

  /** As somebody set it, for all workers together. */
  requestsPerSecond(connectorId: string): number | null {
    return this.#connectors.get(connectorId)?.limits.requestsPerSecond ?? null;
  }

  /** The limit of transfers that leaves this worker the fewest; `null`: none was set. */
  tightestTransfers(runId: string, connectorIds: readonly string[]): TransfersLimit | null {
    const all = this.#transfersLimits(runId, connectorIds);
    return all.length === 0 ? null : all.reduce((least, one) => (one.share < least.share ? one : least));
  }

  /** Holds requests back to this worker's share of the connector's limit, over all runs of this worker, in equal parts. */
  limited(connectorId: string, open: OpenTransport): OpenTransport {
    return (settings) => {
      const inner = open(settings);
      let own: { readonly turns: Turns; readonly line: Line } | null = null;
      return {
        send: async (request) => {
          const { limits, turns } = this.#connector(connectorId);
          if (own?.turns !== turns) own = { turns, line: turns.open() };
          if (limits.requestsPerSecond !== null) await own.line.take(1, request.signal);
          return inner.send(request);
        },
        close: () => {
          own?.turns.close(own.line);
          return inner.close();
        },
      };
    };
  }

  /** By all who are at work on the run. */
  #isAcknowledgedIn(runId: string): boolean {
    const sinceMs = this.#own.get(runId)?.seenSinceMs ?? null;
    const all = this.#runs.get(runId)?.participants;
    return sinceMs !== null && all !== undefined && isAcknowledged(sinceMs, this.#workerId, all);
  }

  /** By all who use the connector: since this worker uses it at all, or since that run of it does. */
  #isAcknowledgedAt(connectorId: string, runId: string | null = null): boolean {
    const uses = [...this.#own].filter(([, { connectorIds }]) => connectorIds.includes(connectorId));
    const runIds = uses.flatMap(([id]) => (runId === null || id === runId ? [id] : []));
    return this.#isAcknowledgedSince(runIds, this.#connectors.get(connectorId)?.participants ?? []);
  }

  /** Since the first of these runs of this worker. */
  #isAcknowledgedSince(runIds: readonly string[], all: readonly Participant[]): boolean {
    const since = runIds.map((id) => this.#own.get(id)?.seenSinceMs ?? Number.POSITIVE_INFINITY);
    return since.length > 0 && isAcknowledged(Math.min(...since), this.#workerId, all);
  }

  #isUsed(connectorId: string): boolean {
    return [...this.#own.values()].some(({ connectorIds }) => connectorIds.includes(connectorId));
  }

  #connector(id: string): ConnectorShare {
    const known = this.#connectors.get(id);
    if (known !== undefined) return known;
    const made: ConnectorShare = {
      limits: NO_LIMITS,
      revision: '',
      participants: [],
      turns: new Turns(new Shaper(this.#world.clock, () => this.#rateOf(id))),
    };
    this.#connectors.set(id, made);
    return made;
  }

  /** One request is one unit of what the shaper holds back. */
  #rateOf(id: string): number | null {
    const connector = this.#connectors.get(id);
    const perSecond = connector?.limits.requestsPerSecond ?? null;
    if (perSecond === null || connector === undefined) return null;
    return shareOf(perSecond, workersAmong(connector.participants), this.#isAcknowledgedAt(id));
  }
}

interface ParticipantRow {
  readonly now: string;
  readonly now_ms: number;
  readonly run_id: string;
  readonly worker_id: string;
  readonly source: string;
  readonly target: string;
  readonly timetable_id: string | null;
  readonly joined_ms: number;
  readonly looked_ms: number | null;
}

interface Limits {
  readonly connectors: readonly { readonly id: string; readonly limits: ConnectorLimits; readonly revision: string }[];
  readonly runs: readonly {
    readonly id: string;
    readonly transfers_max: number | null;
    readonly timetable_id: string | null;
    readonly timetable: BandwidthTimetable | null;
  }[];
}

function participantOf(row: ParticipantRow): Participant {
  return {
    runId: row.run_id,
    workerId: row.worker_id,
    connectorIds: [row.source, row.target],
    joinedAtMs: row.joined_ms,
    lookedAtMs: row.looked_ms,
  };
}
