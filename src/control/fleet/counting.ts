/**
 * What of a run is settled at this moment. Everything known of one segment is a sum over the same items, taken at
 * different moments: what is committed, what its holder had settled when its last commit began, and what it said last.
 * Under one epoch such a sum only grows; so the largest is the newest, and what is shown never goes back.
 */
import { sql, type RawBuilder } from 'kysely';
import type { SegmentProgress } from '../../engine/definition.ts';
import { Tally, type Counters } from '../../model/outcome.ts';
import { IS_HELD } from '../runs/store-rows.ts';

/** Since a worker has said anything. */
const FRESH_MS = 5_000;

/** A row of `run_workers` whose worker speaks. */
export const IS_FRESH = sql<boolean>`(run_workers.left_at IS NULL
  AND run_workers.seen_at > clock_timestamp() - ${sql.lit(FRESH_MS)} * interval '1 millisecond')`;

/** An open segment that somebody has worked on. */
export interface OpenSegment {
  readonly kind: string;
  readonly epoch: number;
  readonly committed: Counters;
  /** As of its last commit, by whoever held it under that epoch. */
  readonly counted: Counters | null;
  readonly countedEpoch: number | null;
  /** By whoever holds it; of another epoch it says nothing about this one. */
  readonly told: SegmentProgress | null;
  /** Whoever said so still speaks. */
  readonly isFresh: boolean;
}

export interface Standing {
  /** Of all segments of the run. */
  readonly committed: Counters;
  /** Key segments, and those of them that are open. */
  readonly keys: number;
  readonly openKeys: number;
  readonly open: readonly OpenSegment[];
}

export interface Counted {
  readonly counters: Counters;
  readonly pendingItems: number;
  readonly pendingBytes: number;
  readonly listingComplete: boolean;
}

/** Pending is what was found and is not in the counters: together they never come to more than there is. */
export function countedOf({ committed, keys, openKeys, open }: Standing): Counted {
  const sum = new Tally(committed);
  let [pendingItems, pendingBytes, listed] = [0, 0, 0];
  for (const segment of open) {
    const { told, isFresh, kind } = segment;
    const now = settledOf(segment);
    sum.subtract(segment.committed);
    sum.add(now);
    if (told?.epoch !== segment.epoch) continue;
    pendingItems += Math.max(0, told.counters.items.scanned + told.pendingItems - now.items.scanned);
    pendingBytes += Math.max(0, told.counters.bytes.scanned + told.pendingBytes - now.bytes.scanned);
    if (kind === 'keys' && isFresh && told.isListed) listed += 1;
  }
  return { counters: sum.total, pendingItems, pendingBytes, listingComplete: keys > 0 && listed === openKeys };
}

function settledOf({ epoch, committed, counted, countedEpoch, told }: OpenSegment): Counters {
  const before = counted ?? committed;
  if (told?.epoch !== epoch) return before;
  // Whoever took the segment over begins with what was durable: what is more is lost with its last holder.
  if (countedEpoch !== epoch) return isMore(committed, told.counters) ? committed : told.counters;
  return isMore(before, told.counters) ? before : told.counters;
}

/** Later, of two sums over the same items. */
function isMore(one: Counters, other: Counters): boolean {
  return sizeOf(one) > sizeOf(other);
}

/** Grows with whatever settles; bytes grow with their items only. */
function sizeOf({ items, differences, verification, ...singles }: Counters): number {
  const { sameWeak, targetScanned, mapped, deletesFailed } = singles;
  const groups: readonly object[] = [items, differences, verification];
  const counts = groups.flatMap((group): number[] => Object.values(group));
  return [...counts, sameWeak, targetScanned, mapped, deletesFailed].reduce((sum, count) => sum + count, 0);
}

/** `OpenSegment[]` of the run as JSON; those that nobody has touched have nothing to tell. */
export function openSegments(runId: RawBuilder<string>): RawBuilder<readonly OpenSegment[]> {
  return sql<readonly OpenSegment[]>`(
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', segments.kind, 'epoch', segments.epoch,
      'committed', segments.counters, 'counted', segments.counted, 'countedEpoch', segments.counted_epoch,
      'told', told.progress, 'isFresh', coalesce(told.is_fresh AND ${IS_HELD}, false))), '[]'::jsonb)
    FROM segments LEFT JOIN (
      SELECT run_workers.worker_id, one.progress, ${IS_FRESH} AS is_fresh
      FROM run_workers, jsonb_array_elements(coalesce(run_workers.progress -> 'segments', '[]'::jsonb)) AS one (progress)
      WHERE run_workers.run_id = ${runId} AND run_workers.left_at IS NULL
    ) AS told ON told.worker_id = segments.worker_id AND told.progress ->> 'segmentId' = segments.segment_id
      AND (told.progress ->> 'epoch')::integer = segments.epoch
    WHERE segments.run_id = ${runId} AND segments.state = 'open' AND segments.kind <> 'sweep' AND segments.epoch > 0)`;
}
