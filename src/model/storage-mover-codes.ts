/**
 * The code that people who come from Azure Storage Mover know for the same thing, where there is one: AZSM1xxx tell of
 * a run, AZSM2xxx of one item. For looking up and for filters that exist already; nothing is decided by it.
 */
import type { ErrorCode } from './errors.ts';
import type { ItemRecord } from './outcome.ts';

export interface StorageMoverCodes {
  readonly item: number | null;
  /** By the side at fault, where that makes a difference. */
  readonly run: number | { readonly source: number; readonly target: number } | null;
}

const UNKNOWN_COPY_ERROR = 2080;

export const STORAGE_MOVER_CODES: Readonly<Partial<Record<ErrorCode, StorageMoverCodes>>> = {
  PLACE_NOT_FOUND: { item: null, run: { source: 1004, target: 1022 } },
  SOURCE_NOT_FOUND: { item: null, run: 1004 },
  UNSUPPORTED: { item: 2021, run: null },
  UNREPRESENTABLE: { item: 2024, run: null },
  TOO_LARGE: { item: 2026, run: null },
  UNAUTHENTICATED: { item: null, run: { source: 1025, target: 1024 } },
  CREDENTIALS_EXPIRED: { item: null, run: { source: 1025, target: 1024 } },
  PERMISSION_DENIED: { item: 2062, run: { source: 1003, target: 1021 } },
  QUOTA_EXCEEDED: { item: null, run: 1040 },
  THROTTLED: { item: UNKNOWN_COPY_ERROR, run: null },
  UNAVAILABLE: { item: UNKNOWN_COPY_ERROR, run: { source: 1020, target: 1040 } },
  UNREACHABLE: { item: UNKNOWN_COPY_ERROR, run: { source: 1020, target: 1040 } },
  TIMED_OUT: { item: UNKNOWN_COPY_ERROR, run: { source: 1020, target: 1040 } },
  EARLY_END: { item: 2063, run: null },
  EXTRA_BYTES: { item: 2063, run: null },
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
export function storageMoverCodeOf({ result, code }: Pick<ItemRecord, 'result' | 'code'>): string | null {
  if (result === 'copied' || result === 'same') return inWords(0);
  if (result !== 'failed' && result !== 'unsupported') return null;
  const known = Object.hasOwn(STORAGE_MOVER_CODES, code) ? STORAGE_MOVER_CODES[code as ErrorCode] : undefined;
  return known === undefined || known.item === null ? null : inWords(known.item);
}

/** Of what a run failed with, or a line of its log: one, or one for each side where the side at fault decides. */
export function storageMoverRunCodes(code: string | null): readonly string[] {
  const known =
    code !== null && Object.hasOwn(STORAGE_MOVER_CODES, code) ? STORAGE_MOVER_CODES[code as ErrorCode] : undefined;
  if (known === undefined || known.run === null) return [];
  return typeof known.run === 'number' ? [inWords(known.run)] : [inWords(known.run.source), inWords(known.run.target)];
}

/** Every code of an error, as they stand in a table for people. */
export function storageMoverWords(code: ErrorCode): string {
  const { item, run } = STORAGE_MOVER_CODES[code] ?? { item: null, run: null };
  const runs =
    run === null
      ? []
      : typeof run === 'number'
        ? [inWords(run)]
        : [`${inWords(run.source)} (source)`, `${inWords(run.target)} (target)`];
  return [...(item === null ? [] : [inWords(item)]), ...runs].join(', ');
}

function inWords(number: number): string {
  return `AZSM${String(number).padStart(4, '0')}`;
}
