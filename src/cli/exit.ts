/** How a command's end becomes a number for scripts: one table. Never 1, which Node uses for its own crashes. */
import type { ErrorCode, Failure } from '../model/errors.ts';
import { unprovedItems, type Counters } from '../model/outcome.ts';
import type { RunRecord } from '../engine/ports.ts';

export const EXIT = {
  FINE: 0,
  WRONG_INPUT: 2,
  ITEMS_FAILED: 3,
  DIFFERENT: 4,
  FAILED: 5,
  REFUSED: 6,
  INTERRUPTED: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** `before`: nothing was moved yet, so the input is at fault. `during`: a run was under way. */
type Row = { readonly before: ExitCode; readonly during: ExitCode };

const INPUT: Row = { before: 2, during: 2 };
const INPUT_OR_RUN: Row = { before: 2, during: 5 };
const RUN: Row = { before: 5, during: 5 };
const GUARD: Row = { before: 6, during: 6 };

export const EXIT_BY_CODE: Readonly<Record<ErrorCode, Row>> = {
  USAGE: INPUT,
  INVALID_INPUT: INPUT,
  CONNECTOR_NOT_FOUND: INPUT,
  PLACE_NOT_FOUND: INPUT_OR_RUN,
  SOURCE_NOT_FOUND: INPUT,
  PLACES_OVERLAP: INPUT,
  ALREADY_EXISTS: INPUT_OR_RUN,
  NOT_FOUND: INPUT_OR_RUN,
  CHANGED: RUN,
  UNREPRESENTABLE: INPUT_OR_RUN,
  TOO_LARGE: RUN,
  UNSUPPORTED: INPUT_OR_RUN,
  ARCHIVED: INPUT_OR_RUN,
  UNAUTHENTICATED: INPUT_OR_RUN,
  CREDENTIALS_EXPIRED: INPUT_OR_RUN,
  PERMISSION_DENIED: INPUT_OR_RUN,
  QUOTA_EXCEEDED: RUN,
  DISK_FULL: RUN,
  THROTTLED: RUN,
  UNAVAILABLE: RUN,
  UNREACHABLE: RUN,
  TIMED_OUT: RUN,
  EARLY_END: RUN,
  EXTRA_BYTES: RUN,
  CORRUPTED: RUN,
  WRONG_REGION: INPUT_OR_RUN,
  CLOCK_SKEW: INPUT_OR_RUN,
  LISTING_INCOMPLETE: RUN,
  LISTING_DISORDERED: RUN,
  UPLOAD_LOST: RUN,
  GUARD_EMPTY_SOURCE: GUARD,
  GUARD_DELETE_CAP: GUARD,
  GUARD_BUSY: GUARD,
  GUARD_CONFIRM: GUARD,
  LEASE_LOST: RUN,
  CANCELLED: { before: 130, during: 130 },
  ENTITY_NOT_FOUND: INPUT,
  IN_USE: GUARD,
  FIXED_FIELD: INPUT,
  EDIT_CONFLICT: GUARD,
  COUNT_CHANGED: GUARD,
  WRONG_STATE: GUARD,
  PREFLIGHT_FAILED: INPUT,
  NOT_SIGNED_IN: INPUT,
  FORBIDDEN: INPUT,
  RATE_LIMITED: RUN,
  UNSAFE_ADDRESS: INPUT,
  DATABASE_UNAVAILABLE: RUN,
  DATABASE_UNUSABLE: INPUT_OR_RUN,
  DATABASE_MISMATCH: INPUT,
  VERSION_MISMATCH: INPUT,
  ARTIFACTS_NOT_SHARED: INPUT,
  MASTER_KEY_WRONG: INPUT,
  SERVER_BUSY: GUARD,
  INTERNAL: RUN,
};

export function exitOfFailure(failure: Failure, phase: keyof Row): ExitCode {
  return EXIT_BY_CODE[failure.code][phase];
}

/** `run.state`, its counters and its policy decide; `interrupted` beats all but a guard or a failure. */
export function exitOfRun(run: RunRecord, error: Failure | null, interrupted: boolean): ExitCode {
  const failure = error ?? run.error;
  if (failure !== null && failure.code !== 'CANCELLED') return exitOfFailure(failure, 'during');
  if (interrupted || run.state === 'cancelled' || run.state === 'cancelling') return EXIT.INTERRUPTED;
  if (run.state === 'failed') return EXIT.FAILED;
  if (run.state !== 'succeeded' && run.state !== 'completed-with-issues') return EXIT.INTERRUPTED;
  if (run.definition.policy.mode === 'check' && hasDifferences(run.counters)) return EXIT.DIFFERENT;
  if (run.counters.items.failed > 0 || run.counters.deletesFailed > 0) return EXIT.ITEMS_FAILED;
  if (unprovedItems(run.counters, run.definition.policy) > 0) return EXIT.ITEMS_FAILED;
  return EXIT.FINE;
}

export function hasDifferences(counters: Counters): boolean {
  const { missing, extra, different } = counters.differences;
  return missing + extra + different > 0;
}
