/**
 * Keeps a worker's leases. One statement says that it lives, renews everything it holds, and
 * hands over what was counted since. Whether that came in time
 * is judged by a clock of this process that never jumps: when it did not, whatever the worker has begun is let go
 * before the database would give it to somebody else.
 */
import { sql } from 'kysely';
import { fromDatabase, inDatabase } from '../runs/database-errors.ts';
import type { HeldLease } from '../runs/store.ts';
import { IN_LOCK_ORDER } from '../runs/store-rows.ts';
import type { FleetWorld } from './parts.ts';

export interface HeartbeatEvents {
  /** What is to be renewed: never more than what is really in hand. */
  readonly held: () => readonly HeldLease[];
  /** Leases may have run out: stop everything at once. */
  readonly onLost: () => void;
  /** Of what was to be renewed: these are somebody else's by now. */
  readonly onTaken: (leases: readonly HeldLease[]) => void;
  /** Everybody counts this worker as gone: before it goes on it has to sign on again. */
  readonly onGone: () => void;
  /** Somebody asked this worker to drain. */
  readonly onDrain: () => void;
}

/** Parts of a second in which a lapse is noticed. */
const WATCH_DIVISOR = 10;

export class Heartbeat {
  readonly #world: FleetWorld;
  readonly #workerId: string;
  readonly #events: HeartbeatEvents;
  readonly #stop = new AbortController();
  #renewedAtMs: number;
  #isLost = false;
  #loops: readonly Promise<void>[] = [];

  constructor(world: FleetWorld, workerId: string, events: HeartbeatEvents) {
    this.#world = world;
    this.#workerId = workerId;
    this.#events = events;
    this.#renewedAtMs = world.clock.monotonic();
  }

  /** True from the moment leases may have run out until they are renewed again: nothing may be begun meanwhile. */
  get isLost(): boolean {
    return this.#isLost || this.#world.clock.monotonic() - this.#renewedAtMs > this.#world.timing.giveUpMs;
  }

  start(): void {
    this.#loops = [this.#renewing(), this.#watching()];
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  /** Counted from before the statement was sent: the database can only have renewed later than that. */
  async beat(): Promise<void> {
    const { clock, db, timing, traffic } = this.#world;
    const sentAtMs = clock.monotonic();
    const handing = traffic.hand();
    const held = this.#events.held();
    const runIds = held.map(({ runId }) => runId);
    const segmentIds = held.map(({ segmentId }) => segmentId);
    const epochs = held.map(({ epoch }) => epoch);
    const { rows } = await inDatabase(() =>
      sql<{ state: string | null; taken: readonly HeldLease[]; counted: string[] | null }>`
        WITH held AS (
          SELECT * FROM unnest(${runIds}::text[], ${segmentIds}::text[], ${epochs}::integer[]) AS held (run_id, segment_id, epoch)
        ), seen AS (
          UPDATE workers SET seen_at = clock_timestamp() WHERE id = ${this.#workerId}::uuid AND state <> 'gone'
          RETURNING state
        ), own AS (
          SELECT segments.run_id, segments.segment_id FROM segments JOIN held USING (run_id, segment_id)
          WHERE segments.epoch = held.epoch AND segments.worker_id = ${this.#workerId}::uuid AND segments.state = 'open'
            AND EXISTS (SELECT FROM seen)
          ${IN_LOCK_ORDER}
        ), renewed AS (
          UPDATE segments SET lease_until = clock_timestamp() + ${timing.leaseValidMs} * interval '1 millisecond'
          FROM own WHERE segments.run_id = own.run_id AND segments.segment_id = own.segment_id
          RETURNING segments.run_id
        ), taken AS (
          SELECT held.* FROM held LEFT JOIN segments USING (run_id, segment_id)
          WHERE segments.epoch IS DISTINCT FROM held.epoch
        )${handing === null ? sql`` : sql`, ${handing.queries}`}
        SELECT (SELECT state FROM seen) AS state, (SELECT count(*) FROM renewed) AS leases,
          (SELECT coalesce(jsonb_agg(jsonb_build_object('runId', run_id, 'segmentId', segment_id, 'epoch', epoch)), '[]')
            FROM taken) AS taken,
          ${handing === null ? sql`NULL` : sql`ARRAY(SELECT connector_id::text FROM traffic_written)`} AS counted`.execute(
        db,
      ),
    ).catch((error: unknown) => {
      traffic.notTaken();
      throw error;
    });
    handing?.taken(rows[0]?.counted ?? []);
    this.#events.onTaken(rows[0]?.taken ?? []);
    if (rows[0]?.state === null) return this.#events.onGone();
    this.#renewedAtMs = sentAtMs;
    this.#isLost = false;
    if (rows[0]?.state === 'draining') this.#events.onDrain();
  }

  async #renewing(): Promise<void> {
    const { clock, log, timing } = this.#world;
    let delayMs = timing.renewEveryMs;
    while (!this.#stop.signal.aborted) {
      try {
        await clock.sleep(delayMs, this.#stop.signal);
        await this.beat();
        delayMs = timing.renewEveryMs;
      } catch (thrown) {
        if (this.#stop.signal.aborted) return;
        const error = fromDatabase(thrown);
        log('warn', 'The leases of this worker could not be renewed.', { code: error.code, reason: error.message });
        // What is at stake is time: sooner than usual, as long as there is hope.
        delayMs = timing.renewEveryMs / 3;
      }
    }
  }

  async #watching(): Promise<void> {
    const { clock, timing } = this.#world;
    while (!this.#stop.signal.aborted) {
      await clock.sleep(timing.giveUpMs / WATCH_DIVISOR, this.#stop.signal).catch(() => undefined);
      if (this.#isLost || !this.isLost || this.#stop.signal.aborted) continue;
      this.#isLost = true;
      this.#events.onLost();
    }
  }
}
