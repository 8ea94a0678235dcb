import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryOf } from '../model/entry.ts';
import { DEFAULT_POLICY, type Policy } from '../model/policy.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { decide } from './decide.ts';
import type { Action, Situation } from './decide.ts';

const MD5_A = { md5: 'aa' };
const MD5_B = { md5: 'bb' };
const ROW: SnapshotRow = {
  key: 'a',
  source: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1000 },
  target: { etag: 't1', versionId: null, sizeBytes: 10, modifiedAtMs: 500 },
  verification: 'V2',
};

const arbitraryEntry = fc.oneof(
  fc.constant(null),
  fc
    .record({
      kind: fc.constantFrom('object', 'object', 'folder', 'opaque'),
      sizeBytes: fc.constantFrom(0, 10, 11),
      modifiedAtMs: fc.constantFrom(null, 500, 1000, 2000),
      identity: fc.record({ etag: fc.constantFrom(null, 's1', 't1', 'x'), versionId: fc.constantFrom(null, 'v1') }),
      digests: fc.constantFrom({}, MD5_A, MD5_B),
      availability: fc.constantFrom('online', 'archived', 'restoring'),
      isImplied: fc.boolean(),
    } as const)
    .map((given) => entryOf({ key: given.kind === 'folder' ? 'a/' : 'a', ...given })),
);

const arbitrarySituation = fc.record({
  source: arbitraryEntry,
  target: arbitraryEntry,
  previous: fc.constantFrom(
    null,
    ROW,
    { ...ROW, verification: 'V0' as const },
    { ...ROW, verification: 'VM' as const },
  ),
  policy: fc.record({
    mode: fc.constantFrom('merge', 'mirror', 'check'),
    targetNewer: fc.constantFrom('overwrite', 'skip'),
    archived: fc.constantFrom<Policy['archived']>('report', { tier: 'Bulk', days: 3 }),
    oneWay: fc.boolean(),
  }),
  excluded: fc.constantFrom(null, 'why'),
  timeToleranceMs: fc.constantFrom(0, 1000),
  targetKeepsSourceTime: fc.boolean(),
  targetMatchable: fc.boolean(),
  mayCopyByReference: fc.boolean(),
} as const);

describe('decide, in every situation', () => {
  const check = (property: (given: Situation, action: Action) => void): void => {
    fc.assert(
      fc.property(arbitrarySituation, (given) => {
        const full = { ...given, policy: { ...DEFAULT_POLICY, ...given.policy } };
        property(full, decide(full));
      }),
      { numRuns: 2000 },
    );
  };

  it('changes nothing when checking', () => {
    check(({ policy }, { kind }) => {
      if (policy.mode === 'check') expect(['copy', 'delete', 'restore', 'skipped']).not.toContain(kind);
      else expect(['missing', 'different', 'extra']).not.toContain(kind);
    });
  });

  it('deletes only in a mirror, only what the source does not have and the filter does not hide', () => {
    check(({ policy, source, target, excluded }, { kind }) => {
      if (kind !== 'delete') return;
      expect([policy.mode, source, excluded]).toEqual(['mirror', null, null]);
      expect(target?.kind).not.toBe('opaque');
    });
  });

  it('never writes without a condition where the target can check one', () => {
    check(({ target, targetMatchable }, action) => {
      if (action.kind !== 'copy') return;
      if (target === null) expect(action.expect).toEqual({ kind: 'absent' });
      else if (targetMatchable && target.identity.etag !== null) {
        expect(action.expect).toEqual({ kind: 'match', identity: target.identity });
      }
    });
  });

  it('never calls other sizes or other digests the same, unless the provider rewrote the content or it was proved', () => {
    check(({ source, target, previous }, { kind }) => {
      if (kind !== 'same' || previous?.verification === 'VM') return;
      expect(source?.sizeBytes).toBe(target?.sizeBytes);
      const isProved =
        previous?.source.etag === source?.identity.etag && previous?.target.etag === target?.identity.etag;
      if (isProved) return;
      const [x, y] = [source?.digests.md5, target?.digests.md5];
      if (x !== undefined && y !== undefined) expect(x).toBe(y);
    });
  });

  it('calls content that no digest, mark or proof connects weak, whatever the sizes, times and snapshots say', () => {
    check(({ source, target, previous }, action) => {
      if (action.kind !== 'same' || source?.sizeBytes === 0) return;
      const isProved = previous !== null && previous.verification !== 'V0' && action.evidence === 'snapshot';
      const hasDigest = source?.digests.md5 !== undefined && source.digests.md5 === target?.digests.md5;
      expect(action.weak).toBe(!isProved && !hasDigest);
    });
  });

  it('gives every source entry that is an item an outcome', () => {
    check(({ source }, { kind }) => {
      if (source === null || (source.kind === 'folder' && source.isImplied)) return;
      expect(['leave', 'delete', 'extra']).not.toContain(kind);
    });
  });

  it('never reads what is archived', () => {
    check(({ source }, { kind }) => {
      if (source?.availability !== 'online' && source !== null) expect(kind).not.toBe('copy');
    });
  });
});
