/**
 * Limits that hold for all workers together, cut into equal shares: each worker takes the limit divided by the number of
 * workers at work on that connector (requests per second, transfers) or on that run (transfers of the job, bandwidth).
 * Who is at work is read before a run is begun and every few seconds; until a new worker is seen, shares add up to more
 * for that long.
 */
import { sql } from 'kysely';
import { Shaper } from '../../lib/shaper.ts';
import type { OpenTransport } from '../../lib/transport.ts';
import type { Clock } from '../../lib/world.ts';
import type { BandwidthTimetable } from '../../engine/definition.ts';
import type { ConnectorLimits } from '../entities.ts';
import { inDatabase } from '../runs/database-errors.ts';
import type { FleetWorld } from './parts.ts';

interface ConnectorShare {
  limits: ConnectorLimits;
  workers: number;
  /** Runs of this worker that use it. */
  runs: number;
  /** Whether anything has changed since a run with it began. */
  revision: string;
  readonly rate: Shaper;
}

interface RunShare {
  workers: number;
  transfersMax: number | null;
  bandwidth: BandwidthTimetable | null;
}

const NO_LIMITS: ConnectorLimits = { requestsPerSecond: null, transfersMax: null };
const FRESH_MS = 10_000;

export class Shares {
  readonly #world: FleetWorld;
  readonly #connectors = new Map<string, ConnectorShare>();
  readonly #runs = new Map<string, RunShare>();
  /** Runs of this worker, and the connectors of each. */
  readonly #own = new Map<string, readonly string[]>();

  constructor(world: FleetWorld) {
    this.#world = world;
  }

  /** This worker takes part in that run; from now on its limits are known. */
  async join(runId: string, connectorIds: readonly string[]): Promise<void> {
    this.#own.set(runId, connectorIds);
    await this.refresh();
  }

  leave(runId: string): void {
    this.#own.delete(runId);
    this.#runs.delete(runId);
    const used = [...this.#own.values()].flat();
    for (const id of this.#connectors.keys()) if (!used.includes(id)) this.#connectors.delete(id);
  }

  /** Reads who is at work on what. */
  async refresh(): Promise<void> {
    const runIds = [...this.#own.keys()];
    const connectorIds = [...new Set([...this.#own.values()].flat())];
    if (runIds.length === 0) return;
    const fresh = sql`run_workers.left_at IS NULL
      AND run_workers.seen_at > clock_timestamp() - ${FRESH_MS} * interval '1 millisecond'`;
    const connectors = await inDatabase(() =>
      sql<{ id: string; limits: ConnectorLimits; revision: string; workers: number }>`
        SELECT connectors.id, connectors.limits,
          md5(connectors.config::text || connectors.secret_fingerprints::text) AS revision,
          (SELECT count(DISTINCT run_workers.worker_id)::integer FROM runs JOIN run_workers ON run_workers.run_id = runs.id
            WHERE runs.state = 'running' AND connectors.id IN (runs.source_connector_id, runs.target_connector_id)
              AND ${fresh}) AS workers
        FROM connectors WHERE connectors.id = ANY(${connectorIds}::uuid[])`.execute(this.#world.db),
    );
    for (const { id, limits, revision, workers } of connectors.rows) {
      const used = [...this.#own.values()].filter((ids) => ids.includes(id)).length;
      if (used === 0) continue;
      Object.assign(this.#connector(id), { limits, revision, workers: Math.max(1, workers), runs: Math.max(1, used) });
    }
    const { rows } = await inDatabase(() =>
      sql<{ id: string; transfers_max: number | null; timetable: BandwidthTimetable | null; workers: number }>`
        SELECT runs.id, jobs.transfers_max, timetables.timetable,
          (SELECT count(*)::integer FROM run_workers WHERE run_workers.run_id = runs.id AND ${fresh}) AS workers
        FROM runs JOIN jobs ON jobs.id = runs.job_id LEFT JOIN timetables ON timetables.id = jobs.timetable_id
        WHERE runs.id = ANY(${runIds}::text[])`.execute(this.#world.db),
    );
    for (const row of rows) {
      if (!this.#own.has(row.id)) continue;
      this.#runs.set(row.id, {
        workers: Math.max(1, row.workers),
        transfersMax: row.transfers_max,
        bandwidth: row.timetable,
      });
    }
  }

  /** What the connector's fields and secrets were when they were last read. */
  revisionOf(connectorId: string): string | null {
    return this.#connectors.get(connectorId)?.revision ?? null;
  }

  /** The share of the run's transfers that this worker may have in flight; `null`: no limit was set. */
  transfersMax(runId: string, connectorIds: readonly string[]): number | null {
    const run = this.#runs.get(runId);
    const shares = connectorIds.map((id) => {
      const connector = this.#connectors.get(id);
      const most = connector?.limits.transfersMax ?? null;
      return most === null || connector === undefined ? null : most / connector.workers / connector.runs;
    });
    const own = run === undefined || run.transfersMax === null ? null : run.transfersMax / run.workers;
    const limits = [own, ...shares].filter((share) => share !== null);
    return limits.length === 0 ? null : Math.max(1, Math.floor(Math.min(...limits)));
  }

  /** The run's timetable with this worker's share of each rate. Read live: a changed timetable holds at once. */
  bandwidth(runId: string): BandwidthTimetable | null {
    const run = this.#runs.get(runId);
    if (run === undefined || run.bandwidth === null) return null;
    const { timeZone, rules } = run.bandwidth;
    const share = (rate: number | null): number | null => (rate === null ? null : rate / run.workers);
    return { timeZone, rules: rules.map((rule) => ({ ...rule, bytesPerSecond: share(rule.bytesPerSecond) })) };
  }

  /** Holds requests back to this worker's share of the connector's limit, over all runs of this worker. */
  limited(connectorId: string, open: OpenTransport): OpenTransport {
    return (settings) => {
      const inner = open(settings);
      return {
        send: async (request) => {
          const connector = this.#connector(connectorId);
          if (connector.limits.requestsPerSecond !== null) await connector.rate.take(1, request.signal);
          return inner.send(request);
        },
        close: () => inner.close(),
      };
    };
  }

  #connector(id: string): ConnectorShare {
    const known = this.#connectors.get(id);
    if (known !== undefined) return known;
    const made: ConnectorShare = {
      limits: NO_LIMITS,
      workers: 1,
      runs: 1,
      revision: '',
      rate: rateOf(this.#world.clock, () => this.#connectors.get(id)),
    };
    this.#connectors.set(id, made);
    return made;
  }
}

/** One request is one unit of what the shaper holds back. */
function rateOf(clock: Clock, share: () => ConnectorShare | undefined): Shaper {
  return new Shaper(clock, () => {
    const now = share();
    const perSecond = now?.limits.requestsPerSecond ?? null;
    return perSecond === null || now === undefined ? null : perSecond / now.workers;
  });
}
