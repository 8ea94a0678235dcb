/** How an object is cut into parts: one pure function of its size, the limits, and the memory at hand. */
import type { PartLimits } from '../contract/provider.ts';

const MIB = 1024 * 1024;
/** Large enough that the cost per request does not matter, small enough that many fit into memory. */
const USUAL_PART_BYTES = 16 * MIB;
/** Smaller parts cost more in requests than they save in memory. */
const LEAST_USUAL_PART_BYTES = 8 * MIB;
/** Parts that should be in flight at once. */
const PARTS_IN_MEMORY = 4;

/** All parts are of `partBytes`, except the last, which is what remains. */
export interface PartPlan {
  readonly sizeBytes: number;
  readonly partBytes: number;
  /** At least 1: an empty object is one empty part. */
  readonly partCount: number;
}

/** `partBytes` is kept to exactly where the limits allow it; otherwise the least larger size that fits is taken. */
export interface PartWish {
  readonly partBytes?: number | null;
  /** Bytes that the parts in flight of this object may take; the limits of the store win over it. */
  readonly memoryBytes: number;
}

/** The plan, or one sentence why there is none. */
export function planParts(
  sizeBytes: number,
  limits: PartLimits,
  wish: PartWish,
): PartPlan | { readonly impossible: string } {
  const capacityBytes = Math.min(limits.objectBytesMax, limits.partBytesMax * limits.partsMax);
  if (sizeBytes > capacityBytes) {
    return { impossible: `The object has ${sizeBytes} bytes; the target holds at most ${capacityBytes} bytes.` };
  }
  const wished = wish.partBytes ?? null;
  if (wished !== null && fits(sizeBytes, wished, limits)) return planOf(sizeBytes, wished);

  const leastBytes = Math.max(1, Math.ceil(sizeBytes / limits.partsMax));
  const usualBytes = wished ?? clamp(wish.memoryBytes / PARTS_IN_MEMORY, LEAST_USUAL_PART_BYTES, USUAL_PART_BYTES);
  const roundedBytes = Math.ceil(Math.max(leastBytes, usualBytes, limits.partBytesMin) / MIB) * MIB;
  return planOf(sizeBytes, Math.min(roundedBytes, limits.partBytesMax));
}

/** Where part `index` (from 0) lies. */
export function partRange(plan: PartPlan, index: number): { readonly offset: number; readonly lengthBytes: number } {
  const offset = index * plan.partBytes;
  return { offset, lengthBytes: Math.max(0, Math.min(plan.partBytes, plan.sizeBytes - offset)) };
}

/** True when parts of exactly this size are within the limits. The last part may be smaller than the minimum. */
export function fits(sizeBytes: number, partBytes: number, limits: PartLimits): boolean {
  if (!Number.isSafeInteger(partBytes) || partBytes < 1 || sizeBytes > limits.objectBytesMax) return false;
  const { partCount } = planOf(sizeBytes, partBytes);
  if (partCount > limits.partsMax) return false;
  return partCount === 1
    ? sizeBytes <= limits.partBytesMax
    : partBytes >= limits.partBytesMin && partBytes <= limits.partBytesMax;
}

function planOf(sizeBytes: number, partBytes: number): PartPlan {
  return { sizeBytes, partBytes, partCount: Math.max(1, Math.ceil(sizeBytes / partBytes)) };
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

/** What well-known uploaders use, most common first: 8 (AWS CLI, boto), 5 (SDKs, rclone), 16, 64 (s5cmd: 50) … */
const COMMON_PART_BYTES: readonly number[] = [
  ...[8, 5, 16, 50, 64, 10, 100, 32, 128, 15, 25, 256, 512, 500, 20, 6, 12, 24, 40, 48, 96, 200, 1024].map(
    (n) => n * MIB,
  ),
  ...[5, 8, 10, 16, 50, 64, 100, 15, 25, 32, 128, 250, 256, 500, 512, 1000].map((n) => n * 1_000_000),
];

/**
 * Part sizes that an object of this size in `partCount` parts was likely uploaded with, likeliest first. A guess is
 * proved by the equal multipart ETag at the end, and by nothing else.
 */
export function guessPartBytes(sizeBytes: number, partCount: number): readonly number[] {
  if (!Number.isSafeInteger(partCount) || partCount < 1 || sizeBytes < 1) return [];
  if (partCount === 1) return [sizeBytes];
  const evenBytes = Math.ceil(sizeBytes / partCount);
  const roundings = [MIB, 1_000_000, 1024 * 1024 * 5, 1024, 1000, 1].map((unit) => Math.ceil(evenBytes / unit) * unit);
  const guesses = new Set([...COMMON_PART_BYTES, ...roundings]);
  return [...guesses].filter((partBytes) => planOf(sizeBytes, partBytes).partCount === partCount);
}
