/**
 * The code that people who come from Azure Storage Mover know for the same thing, where there is one: AZSM1xxx tell of
 * a run, AZSM2xxx of one item. For looking up and for filters that exist already; nothing is decided by it.
 */
import type { ErrorCode } from './errors.ts';
import type { ItemRecord, RunState } from './outcome.ts';

/** By the side at fault, where that makes a difference. */
type BySide = number | { readonly source: number; readonly target: number };

export interface StorageMoverCodes {
  readonly item: BySide | null;
  readonly run: BySide | null;
}

const SUCCESS = 0;
const UNKNOWN_COPY_ERROR = 2080;
/** What breaks off at the source could not be read; at the target there is no code of its own. */
const BROKEN_OFF = { source: 2063, target: UNKNOWN_COPY_ERROR };

export const STORAGE_MOVER_CODES: Readonly<Partial<Record<ErrorCode, StorageMoverCodes>>> = {
  PLACE_NOT_FOUND: { item: null, run: { source: 1004, target: 1022 } },
  SOURCE_NOT_FOUND: { item: null, run: 1004 },
  ALREADY_EXISTS: { item: UNKNOWN_COPY_ERROR, run: null },
  CHANGED: { item: UNKNOWN_COPY_ERROR, run: null },
  UNSUPPORTED: { item: 2021, run: null },
  UNREPRESENTABLE: { item: 2024, run: null },
  TOO_LARGE: { item: 2026, run: null },
  UNAUTHENTICATED: { item: null, run: { source: 1025, target: 1024 } },
  CREDENTIALS_EXPIRED: { item: null, run: { source: 1025, target: 1024 } },
  PERMISSION_DENIED: { item: { source: 2062, target: 2069 }, run: { source: 1003, target: 1021 } },
  QUOTA_EXCEEDED: { item: null, run: 1040 },
  THROTTLED: { item: UNKNOWN_COPY_ERROR, run: null },
  UNAVAILABLE: { item: BROKEN_OFF, run: { source: 1020, target: 1040 } },
  UNREACHABLE: { item: BROKEN_OFF, run: { source: 1020, target: 1040 } },
  TIMED_OUT: { item: BROKEN_OFF, run: { source: 1020, target: 1040 } },
  EARLY_END: { item: BROKEN_OFF, run: null },
  EXTRA_BYTES: { item: BROKEN_OFF, run: null },
  CORRUPTED: { item: UNKNOWN_COPY_ERROR, run: null },
  UPLOAD_LOST: { item: UNKNOWN_COPY_ERROR, run: null },
  WRONG_REGION: { item: null, run: { source: 1020, target: 1040 } },
  LISTING_INCOMPLETE: { item: null, run: 1002 },
  GUARD_BUSY: { item: null, run: 1027 },
  LEASE_LOST: { item: null, run: 1023 },
  CANCELLED: { item: null, run: 1045 },
  MASTER_KEY_WRONG: { item: null, run: 1028 },
  INTERNAL: { item: UNKNOWN_COPY_ERROR, run: 1060 },
};

/** `AZSM2062`; `AZSM0000` for what is at the target as it should be; `null` where there is no such code. */
export function storageMoverCodeOf({
  result,
  code,
  side,
}: Pick<ItemRecord, 'result' | 'side'> & { readonly code: string }): string | null {
  if (result === 'copied' || result === 'same') return inWords(SUCCESS);
  if (result !== 'failed' && result !== 'unsupported') return null;
  const item = codesOf(code)?.item ?? null;
  if (item === null) return null;
  // Most of what cannot be said of either side is met while reading.
  return inWords(typeof item === 'number' ? item : item[side ?? 'source']);
}

/** Of how a run stands: success, what it failed with, or none where there is no such code. */
export function storageMoverRunCodes(state: RunState, error: string | null): readonly string[] {
  if (state === 'succeeded') return [inWords(SUCCESS)];
  if (state === 'cancelled') return storageMoverErrorCodes('CANCELLED');
  return storageMoverErrorCodes(error);
}

/** Of an error of a run: one, or one for each side where the side at fault decides. */
export function storageMoverErrorCodes(code: string | null): readonly string[] {
  const run = code === null ? null : (codesOf(code)?.run ?? null);
  return run === null ? [] : numbersOf(run).map(inWords);
}

/** Of a line of a run's log: of the run, or, where it tells of items, of those. */
export function storageMoverLineCodes(level: 'info' | 'warn' | 'error', code: string | null): readonly string[] {
  if (code === 'COMPLETE') return [inWords(SUCCESS)];
  const item = code === null || level === 'error' ? null : (codesOf(code)?.item ?? null);
  return item === null ? storageMoverErrorCodes(code) : numbersOf(item).map(inWords);
}

/** Every code of an error, as they stand in a table for people. */
export function storageMoverWords(code: ErrorCode): string {
  const { item, run } = STORAGE_MOVER_CODES[code] ?? { item: null, run: null };
  return [item, run].flatMap((one) => (one === null ? [] : wordsOf(one))).join(', ');
}

function wordsOf(codes: BySide): readonly string[] {
  if (typeof codes === 'number') return [inWords(codes)];
  return [`${inWords(codes.source)} (source)`, `${inWords(codes.target)} (target)`];
}

function numbersOf(codes: BySide): readonly number[] {
  return typeof codes === 'number' ? [codes] : [codes.source, codes.target];
}

function codesOf(code: string): StorageMoverCodes | undefined {
  return Object.hasOwn(STORAGE_MOVER_CODES, code) ? STORAGE_MOVER_CODES[code as ErrorCode] : undefined;
}

function inWords(number: number): string {
  return `AZSM${String(number).padStart(4, '0')}`;
}
