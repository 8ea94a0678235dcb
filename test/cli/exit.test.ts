import { describe, expect, test } from 'vitest';
import { EXIT_BY_CODE, exitOfFailure, exitOfRun } from '../../src/cli/exit.ts';
import { ERRORS, toFailure, DroverError, type ErrorCode } from '../../src/model/errors.ts';
import { ZERO_COUNTERS, type Counters, type RunState } from '../../src/model/outcome.ts';
import type { RunRecord } from '../../src/engine/ports.ts';

/** What the promise to scripts says about each error: before anything was moved, and during a run. */
const PROMISED: Record<ErrorCode, readonly [number, number]> = {
  USAGE: [2, 2],
  INVALID_INPUT: [2, 2],
  CONNECTOR_NOT_FOUND: [2, 2],
  PLACE_NOT_FOUND: [2, 5],
  SOURCE_NOT_FOUND: [2, 2],
  PLACES_OVERLAP: [2, 2],
  ALREADY_EXISTS: [2, 5],
  NOT_FOUND: [2, 5],
  CHANGED: [5, 5],
  UNREPRESENTABLE: [2, 5],
  TOO_LARGE: [5, 5],
  UNSUPPORTED: [2, 5],
  ARCHIVED: [2, 5],
  UNAUTHENTICATED: [2, 5],
  CREDENTIALS_EXPIRED: [2, 5],
  PERMISSION_DENIED: [2, 5],
  QUOTA_EXCEEDED: [5, 5],
  DISK_FULL: [5, 5],
  THROTTLED: [5, 5],
  UNAVAILABLE: [5, 5],
  UNREACHABLE: [5, 5],
  TIMED_OUT: [5, 5],
  EARLY_END: [5, 5],
  EXTRA_BYTES: [5, 5],
  CORRUPTED: [5, 5],
  WRONG_REGION: [2, 5],
  CLOCK_SKEW: [2, 5],
  LISTING_INCOMPLETE: [5, 5],
  LISTING_DISORDERED: [5, 5],
  UPLOAD_LOST: [5, 5],
  GUARD_EMPTY_SOURCE: [6, 6],
  GUARD_DELETE_CAP: [6, 6],
  GUARD_BUSY: [6, 6],
  GUARD_CONFIRM: [6, 6],
  LEASE_LOST: [5, 5],
  CANCELLED: [130, 130],
  ENTITY_NOT_FOUND: [2, 2],
  IN_USE: [6, 6],
  FIXED_FIELD: [2, 2],
  EDIT_CONFLICT: [6, 6],
  COUNT_CHANGED: [6, 6],
  WRONG_STATE: [6, 6],
  PREFLIGHT_FAILED: [2, 2],
  NOT_SIGNED_IN: [2, 2],
  FORBIDDEN: [2, 2],
  RATE_LIMITED: [5, 5],
  UNSAFE_ADDRESS: [2, 2],
  DATABASE_UNAVAILABLE: [5, 5],
  DATABASE_UNUSABLE: [2, 5],
  DATABASE_MISMATCH: [2, 2],
  VERSION_MISMATCH: [2, 2],
  ARTIFACTS_NOT_SHARED: [2, 2],
  MASTER_KEY_WRONG: [2, 2],
  SERVER_BUSY: [6, 6],
  INTERNAL: [5, 5],
};

test.each(Object.keys(ERRORS) as ErrorCode[])('%s', (code) => {
  const failure = toFailure(new DroverError(code, 'x'));
  expect([exitOfFailure(failure, 'before'), exitOfFailure(failure, 'during')]).toEqual(PROMISED[code]);
});

test('no row is 1, which belongs to crashes of Node', () => {
  for (const row of Object.values(EXIT_BY_CODE)) expect(Object.values(row)).not.toContain(1);
});

describe('a run ends with', () => {
  const run = (state: RunState, counters: Partial<Counters>, policy: object = {}, error: ErrorCode | null = null) =>
    ({
      state,
      counters: { ...ZERO_COUNTERS, ...counters },
      definition: { policy: { mode: 'merge', acceptV0: false, ...policy } },
      error: error === null ? null : toFailure(new DroverError(error, 'x')),
    }) as unknown as RunRecord;
  const items = (change: object) => ({ items: { ...ZERO_COUNTERS.items, ...change } });
  const v0 = { verification: { ...ZERO_COUNTERS.verification, V0: 1 } };
  const different = { differences: { missing: 0, extra: 0, different: 1 } };

  test.each<[string, RunRecord, boolean, number]>([
    ['all well', run('succeeded', {}), false, 0],
    ['unsupported items', run('completed-with-issues', items({ unsupported: 3 })), false, 0],
    ['mapped names', run('succeeded', { mapped: 3 }), false, 0],
    ['failed items', run('completed-with-issues', items({ failed: 1 })), false, 3],
    ['deletions that failed', run('completed-with-issues', { deletesFailed: 1 }), false, 3],
    ['size only', run('completed-with-issues', v0), false, 3],
    ['size only of what was there already', run('completed-with-issues', { sameWeak: 1 }), false, 3],
    ['size only in a check', run('completed-with-issues', { sameWeak: 1 }, { mode: 'check' }), false, 3],
    ['size only in a check, accepted', run('succeeded', { sameWeak: 1 }, { mode: 'check', acceptV0: true }), false, 0],
    ['size only in a plan', run('succeeded', { sameWeak: 1 }, { dryRun: true }), false, 0],
    ['size only, accepted', run('completed-with-issues', v0, { acceptV0: true }), false, 0],
    ['differences of a check', run('succeeded', different, { mode: 'check' }), false, 4],
    ['differences that a copy saw', run('succeeded', different), false, 0],
    ['a clean check', run('succeeded', {}, { mode: 'check' }), false, 0],
    ['failed as a whole', run('failed', {}, {}, 'LISTING_INCOMPLETE'), false, 5],
    ['failed without a reason', run('failed', {}), false, 5],
    ['a guard', run('failed', {}, {}, 'GUARD_DELETE_CAP'), false, 6],
    ['sign-in lost', run('paused', {}, {}, 'CREDENTIALS_EXPIRED'), false, 5],
    ['interrupted', run('paused', items({ failed: 1 })), true, 130],
    ['cancelled', run('cancelled', {}), false, 130],
  ])('%s', (_name, record, interrupted, exit) => {
    expect(exitOfRun(record, null, interrupted)).toBe(exit);
  });
});
