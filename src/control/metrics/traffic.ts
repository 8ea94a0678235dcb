/**
 * What one process has counted of each connector. Counting is adding to a number in memory; every few seconds the sums
 * are handed over with a statement that is sent anyway, into rows of this process alone, so that nobody waits for
 * anybody. Sums are absolute: what is handed over twice counts once.
 */
import { sql, type RawBuilder } from 'kysely';
import { isThrottling, watchRequests } from '../../lib/counting.ts';
import type { LimitSnapshot } from '../../lib/limiting.ts';
import type { OpenTransport } from '../../lib/transport.ts';
import type { Clock } from '../../lib/world.ts';
import type { ErrorCode } from '../../model/errors.ts';
import type { Counters } from '../../model/outcome.ts';
import type { ControlWorld, Db } from '../world.ts';

/** In what part of its work a connector was asked: as one end of a run, or by a server for itself. */
export type TrafficSide = 'source' | 'target' | 'server';

/** The first word of the name of a number: `requests/source/LIST`. Other words follow from it, see `metrics.ts`. */
export type Counted = 'requests' | 'seconds' | 'throttles' | 'retries' | 'items' | 'bytes' | 'takeovers';

type Numbers = Readonly<Record<string, number>>;

/** The row that holds what nobody writes any more. */
const NOBODY = '00000000-0000-0000-0000-000000000000';
/** Whoever has not written for so long writes a new row, see `fold`. */
export const FOLDED_AFTER_MS = 10 * 60_000;
/** What both ends have a part in. */
const AT_BOTH = ['copied', 'same', 'skipped', 'unsupported', 'failed'] as const;
/** What a filter keeps out no target hears of; and nothing is ever deleted at a source. */
const ONLY_AT: Readonly<Record<string, TrafficSide>> = {
  excluded: 'source',
  deleted: 'target',
  'delete-failed': 'target',
};

/** Earlier versions counted each outcome at both ends. */
export function isCountedAt(side: string, outcome: string): boolean {
  return (ONLY_AT[outcome] ?? side) === side;
}

interface Row {
  readonly totals: Record<string, number>;
  /** What an earlier row of ours took with it. */
  base: Numbers;
  sent: Numbers;
  /** The row is in the database, as far as is known here. */
  isKnown: boolean;
  hasChanged: boolean;
  wasBusy: boolean;
}

/** What is to be written, and what to do with the answer. */
export interface Handing {
  /** Three more queries for a `WITH`; the last one, `traffic_written`, gives the connectors whose row was written. */
  readonly queries: RawBuilder<unknown>;
  /** After it was written. What is not among them is no longer there, and is written anew the next time. */
  taken(connectorIds: readonly string[]): void;
}

export class Traffic {
  readonly #writerId: string;
  readonly #rows = new Map<string, Row>();
  readonly #lanes = new Map<string, Map<() => LimitSnapshot, TrafficSide>>();

  /** `writerId`: of this process, a UUID. */
  constructor(writerId: string) {
    this.#writerId = writerId;
  }

  add(connectorId: string, counted: Counted, side: TrafficSide, label: string, amount = 1): void {
    if (amount === 0) return;
    const row = this.#row(connectorId);
    const name = `${counted}/${side}/${label}`;
    row.totals[name] = (row.totals[name] ?? 0) + amount;
    row.hasChanged = true;
  }

  /** Counts every request of the transports that the result opens. `onThrottled`: at each answer that asks to slow down. */
  counting(
    connectorId: string,
    side: TrafficSide,
    open: OpenTransport,
    clock: Pick<Clock, 'monotonic'>,
    onThrottled: () => void = () => undefined,
  ): OpenTransport {
    return watchRequests(open, clock, {
      sent: (operation) => this.add(connectorId, 'requests', side, operation),
      answered: (operation, status, tookMs) => {
        this.add(connectorId, 'seconds', side, operation, tookMs / 1000);
        if (status === null || !isThrottling(status)) return;
        this.add(connectorId, 'throttles', side, operation);
        onThrottled();
      },
    });
  }

  /** Something is tried again. */
  retried(connectorId: string, side: TrafficSide, code: ErrorCode): void {
    this.add(connectorId, 'retries', side, code);
  }

  /** What a run has settled, at whichever of its ends it happened. */
  settled(
    ends: { readonly source: string; readonly target: string },
    { items, bytes, deletesFailed }: Pick<Counters, 'items' | 'bytes' | 'deletesFailed'>,
  ): void {
    for (const side of ['source', 'target'] as const) {
      for (const outcome of AT_BOTH) this.add(ends[side], 'items', side, outcome, items[outcome]);
      this.add(ends[side], 'bytes', side, 'copied', bytes.copied);
    }
    this.add(ends.source, 'items', 'source', 'excluded', items.excluded);
    this.add(ends.target, 'items', 'target', 'deleted', items.deleted);
    this.add(ends.target, 'items', 'target', 'delete-failed', deletesFailed);
  }

  /** Shows how many lanes to the network are in use, until it is disposed of. */
  watch(connectorId: string, side: TrafficSide, snapshot: () => LimitSnapshot): Disposable {
    this.#row(connectorId);
    const lanes = this.#lanes.get(connectorId) ?? new Map<() => LimitSnapshot, TrafficSide>();
    this.#lanes.set(connectorId, lanes);
    // Another function for each: the same one may be watched twice.
    const own = (): LimitSnapshot => snapshot();
    lanes.set(own, side);
    return { [Symbol.dispose]: () => void lanes.delete(own) };
  }

  /** `null` when nothing has changed since the last time. */
  hand(): Handing | null {
    const handed: {
      readonly id: string;
      readonly counts: Numbers;
      readonly busy: Numbers;
      readonly isKnown: boolean;
    }[] = [];
    const before = new Map<string, Numbers>();
    for (const [id, row] of this.#rows) {
      const busy = this.#busy(id);
      const isBusy = Object.keys(busy).length > 0;
      if (!row.hasChanged && !isBusy && !row.wasBusy) continue;
      before.set(id, row.sent);
      row.sent = { ...row.totals };
      row.hasChanged = false;
      row.wasBusy = isBusy;
      handed.push({ id, counts: minus(row.totals, row.base), busy, isKnown: row.isKnown });
    }
    if (handed.length === 0) return null;
    return {
      queries: this.#queries(handed),
      taken: (ids) => {
        for (const [id, earlier] of before) {
          const row = this.#row(id);
          row.isKnown = ids.includes(id);
          if (row.isKnown) continue;
          // Folded meanwhile: what was written before this time stands in the common row.
          row.base = earlier;
          row.hasChanged = true;
        }
      },
    };
  }

  /** Hands over by a statement of its own: where none is sent anyway. */
  async write(db: Db): Promise<void> {
    const handing = this.hand();
    if (handing === null) return;
    try {
      const { rows } = await sql<{ connector_id: string }>`
        WITH ${handing.queries} SELECT connector_id FROM traffic_written`.execute(db);
      handing.taken(rows.map(({ connector_id: id }) => id));
    } catch (error) {
      this.notTaken();
      throw error;
    }
  }

  /** The statement failed: everything is handed over again the next time. */
  notTaken(): void {
    for (const row of this.#rows.values()) row.hasChanged = true;
  }

  #queries(
    handed: readonly {
      readonly id: string;
      readonly counts: Numbers;
      readonly busy: Numbers;
      readonly isKnown: boolean;
    }[],
  ): RawBuilder<unknown> {
    const ids = handed.map(({ id }) => id);
    const counts = handed.map((one) => JSON.stringify(one.counts));
    const busy = handed.map((one) => JSON.stringify(one.busy));
    const known = handed.map(({ isKnown }) => isKnown);
    return sql`traffic_told AS (
        SELECT connector_id, counts::jsonb AS counts, busy::jsonb AS busy, is_known
        FROM unnest(${ids}::uuid[], ${counts}::text[], ${busy}::text[], ${known}::boolean[])
          AS one (connector_id, counts, busy, is_known)
      ), traffic_kept AS (
        UPDATE traffic SET counts = traffic_told.counts, busy = traffic_told.busy, seen_at = clock_timestamp()
        FROM traffic_told WHERE traffic_told.is_known AND traffic.connector_id = traffic_told.connector_id
          AND traffic.writer_id = ${this.#writerId}::uuid RETURNING traffic.connector_id
      ), traffic_added AS (
        INSERT INTO traffic (connector_id, writer_id, counts, busy, seen_at)
        SELECT connector_id, ${this.#writerId}::uuid, counts, busy, clock_timestamp() FROM traffic_told WHERE NOT is_known
        ON CONFLICT (connector_id, writer_id) DO UPDATE SET counts = excluded.counts, busy = excluded.busy,
          seen_at = excluded.seen_at RETURNING connector_id
      ), traffic_written AS (SELECT connector_id FROM traffic_kept UNION ALL SELECT connector_id FROM traffic_added)`;
  }

  #busy(connectorId: string): Numbers {
    const busy: Record<string, number> = {};
    for (const [snapshot, side] of this.#lanes.get(connectorId) ?? []) {
      const { inFlight, waiting, waitingForRate, ceiling } = snapshot();
      for (const [name, value] of [
        ['busy', inFlight],
        ['waiting', waiting + waitingForRate],
        ['most', ceiling],
      ] as const) {
        busy[`${name}/${side}`] = (busy[`${name}/${side}`] ?? 0) + value;
      }
    }
    return busy;
  }

  #row(connectorId: string): Row {
    const known = this.#rows.get(connectorId);
    if (known !== undefined) return known;
    const made = { totals: {}, base: {}, sent: {}, isKnown: false, hasChanged: false, wasBusy: false };
    this.#rows.set(connectorId, made);
    return made;
  }
}

function minus(totals: Numbers, base: Numbers): Numbers {
  // Seconds are the only ones that are not whole.
  return Object.fromEntries(
    Object.entries(totals).map(([name, value]) => [name, Math.round((value - (base[name] ?? 0)) * 1e6) / 1e6]),
  );
}

/** The due work of a server: hands over what it has counted itself, and folds now and then. Idle, it asks nothing. */
export function openCounting({
  db,
  clock,
  serverTraffic,
}: Pick<ControlWorld, 'db' | 'clock' | 'serverTraffic'>): () => Promise<number> {
  let foldedAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    await serverTraffic?.write(db);
    if (clock.monotonic() - foldedAtMs < FOLDED_AFTER_MS) return 0;
    await fold(db);
    foldedAtMs = clock.monotonic();
    return 0;
  };
}

/**
 * Rows that nobody has written to for a while become one: of processes that are gone, and of those that had nothing to
 * count (they notice, and begin another row). In one statement, so that whoever sums sees either or; what somebody is
 * writing to just now is left alone. Rows of connectors that are gone go too. How many rows went.
 */
export async function fold(db: Db, olderThanMs: number = FOLDED_AFTER_MS): Promise<number> {
  const { rows } = await sql<{ folded: number }>`
    WITH old AS (
      SELECT connector_id, writer_id FROM traffic
      WHERE (writer_id <> ${NOBODY}::uuid AND seen_at <= clock_timestamp() - ${olderThanMs} * interval '1 millisecond')
        OR (writer_id = ${NOBODY}::uuid AND NOT EXISTS (SELECT FROM connectors WHERE connectors.id = traffic.connector_id))
      ORDER BY connector_id, writer_id FOR UPDATE SKIP LOCKED
    ), gone AS (
      DELETE FROM traffic USING old
      WHERE traffic.connector_id = old.connector_id AND traffic.writer_id = old.writer_id RETURNING traffic.*
    ), sums AS (
      SELECT connector_id, jsonb_object_agg(key, value) AS counts FROM (
        SELECT gone.connector_id, one.key, sum(one.value::float8) AS value
        FROM gone, jsonb_each_text(gone.counts) AS one
        WHERE gone.writer_id <> ${NOBODY}::uuid
          AND EXISTS (SELECT FROM connectors WHERE connectors.id = gone.connector_id)
        GROUP BY 1, 2) AS summed GROUP BY connector_id
    ), kept AS (
      INSERT INTO traffic AS base (connector_id, writer_id, counts, seen_at)
      SELECT connector_id, ${NOBODY}::uuid, counts, clock_timestamp() FROM sums ORDER BY connector_id
      ON CONFLICT (connector_id, writer_id) DO UPDATE SET counts = (
        SELECT jsonb_object_agg(key, value) FROM (
          SELECT key, sum(value::float8) AS value
          FROM (SELECT * FROM jsonb_each_text(base.counts) UNION ALL SELECT * FROM jsonb_each_text(excluded.counts)) AS each
          GROUP BY key) AS summed), seen_at = excluded.seen_at
    )
    SELECT count(*)::integer AS folded FROM gone`.execute(db);
  return rows[0]?.folded ?? 0;
}
