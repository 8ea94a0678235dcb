import { describe, expect, it } from 'vitest';
import { entryOf } from '../model/entry.ts';
import type { Entry } from '../model/entry.ts';
import { DEFAULT_POLICY, type Policy } from '../model/policy.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { decide } from './decide.ts';
import type { Action, Situation } from './decide.ts';

const MIRROR: Policy = { ...DEFAULT_POLICY, mode: 'mirror' };
const CHECK: Policy = { ...DEFAULT_POLICY, mode: 'check' };
const RESTORE: Policy = { ...DEFAULT_POLICY, archived: { tier: 'Bulk', days: 3 } };

const identity = (etag: string | null, versionId: string | null = null) => ({ etag, versionId });
const object = (given: Partial<Entry> = {}): Entry =>
  entryOf({ key: 'a', sizeBytes: 10, modifiedAtMs: 1000, identity: identity('s1'), ...given });
const targetObject = (given: Partial<Entry> = {}): Entry =>
  object({ identity: identity('t1'), modifiedAtMs: 500, ...given });
const folder = (given: Partial<Entry> = {}): Entry => entryOf({ key: 'a/', kind: 'folder', ...given });
const link = (given: Partial<Entry> = {}): Entry =>
  entryOf({ key: 'a', kind: 'opaque', nativeType: 'symlink', ...given });
const row = (given: Partial<SnapshotRow> = {}): SnapshotRow => ({
  key: 'a',
  source: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1000 },
  target: { etag: 't1', versionId: null, sizeBytes: 10, modifiedAtMs: 500 },
  verification: 'V2',
  ...given,
});

function situation(given: Partial<Situation>): Situation {
  return {
    source: null,
    target: null,
    previous: null,
    policy: DEFAULT_POLICY,
    excluded: null,
    timeToleranceMs: 0,
    targetKeepsSourceTime: false,
    targetMatchable: true,
    mayCopyByReference: false,
    ...given,
  };
}

const COPY_ABSENT: Action = { kind: 'copy', reason: 'absent', expect: { kind: 'absent' } };
const COPY_CHANGED: Action = { kind: 'copy', reason: 'changed', expect: { kind: 'match', identity: identity('t1') } };
const same = (evidence: Extract<Action, { kind: 'same' }>['evidence']): Action => ({
  kind: 'same',
  evidence,
  weak: evidence === 'size' || evidence === 'size-and-time',
});
const DIFFERENT = { kind: 'different' };
const ARCHIVED = { kind: 'unsupported', code: 'ARCHIVED' };
const UNREPRESENTABLE = { kind: 'unsupported', code: 'UNREPRESENTABLE' };
const MD5_A = { md5: 'aa' };
const MD5_B = { md5: 'bb' };
const etags = (value: string, partCount = 2) => ({ kind: 'md5' as const, value, partCount });

describe('decide', () => {
  const cases: readonly [string, Partial<Situation>, object][] = [
    // One side only.
    ['nothing anywhere, only in the snapshot', { previous: row() }, { kind: 'leave' }],
    ['absent', { source: object() }, COPY_ABSENT],
    ['absent, though the snapshot has it', { source: object(), previous: row() }, COPY_ABSENT],
    ['absent, checking', { source: object(), policy: CHECK }, { kind: 'missing' }],
    ['only at the target, merge', { target: targetObject() }, { kind: 'leave' }],
    ['only at the target, mirror', { target: targetObject(), policy: MIRROR }, { kind: 'delete', onlyIfEmpty: false }],
    ['only at the target, checking', { target: targetObject(), policy: CHECK }, { kind: 'extra' }],
    ['only at the target, one way', { target: targetObject(), policy: { ...CHECK, oneWay: true } }, { kind: 'leave' }],
    ['excluded at the target, mirror', { target: targetObject(), policy: MIRROR, excluded: 'x' }, { kind: 'leave' }],
    ['excluded at the target, checking', { target: targetObject(), policy: CHECK, excluded: 'x' }, { kind: 'leave' }],
    ['link only at the target, mirror', { target: link(), policy: MIRROR }, { kind: 'leave' }],
    ['folder only at the target, merge', { target: folder() }, { kind: 'leave' }],
    ['folder only at the target, mirror', { target: folder(), policy: MIRROR }, { kind: 'delete', onlyIfEmpty: true }],
    [
      'implied folder only at the target, mirror',
      { target: folder({ isImplied: true }), policy: MIRROR },
      { kind: 'delete', onlyIfEmpty: true },
    ],
    ['implied folder only at the target, merge', { target: folder({ isImplied: true }) }, { kind: 'leave' }],
    [
      'implied folder only at the target, checking',
      { target: folder({ isImplied: true }), policy: CHECK },
      { kind: 'leave' },
    ],
    ['folder only at the target, checking', { target: folder(), policy: CHECK }, { kind: 'extra' }],
    // Left out, and what cannot be moved.
    ['excluded', { source: object(), excluded: 'why' }, { kind: 'excluded', reason: 'why' }],
    [
      'excluded although different',
      { source: object(), target: targetObject(), excluded: 'why' },
      { kind: 'excluded', reason: 'why' },
    ],
    ['excluded link', { source: link(), excluded: 'why' }, { kind: 'excluded', reason: 'why' }],
    ['link', { source: link() }, { kind: 'unsupported', code: 'UNSUPPORTED' }],
    ['link on both sides', { source: link(), target: link() }, { kind: 'unsupported', code: 'UNSUPPORTED' }],
    ['object over a link', { source: object(), target: link() }, UNREPRESENTABLE],
    ['folder over an object', { source: folder(), target: targetObject({ key: 'a/' }) }, UNREPRESENTABLE],
    ['object over a folder', { source: object({ key: 'a/' }), target: folder() }, UNREPRESENTABLE],
    ['object over a folder, checking', { source: object({ key: 'a/' }), target: folder(), policy: CHECK }, DIFFERENT],
    // Folders.
    ['folder absent', { source: folder() }, COPY_ABSENT],
    ['folder absent, checking', { source: folder(), policy: CHECK }, { kind: 'missing' }],
    ['folder on both sides', { source: folder(), target: folder() }, { kind: 'folder-same' }],
    [
      'folder, implied at the target',
      { source: folder(), target: folder({ isImplied: true }) },
      { kind: 'folder-same' },
    ],
    ['implied source folder', { source: folder({ isImplied: true }) }, { kind: 'leave' }],
    // Archived.
    ['archived and absent', { source: object({ availability: 'archived', storageClass: 'GLACIER' }) }, ARCHIVED],
    [
      'archived and absent, restoring allowed',
      { source: object({ availability: 'archived' }), policy: RESTORE },
      { kind: 'restore' },
    ],
    ['being restored', { source: object({ availability: 'restoring' }) }, ARCHIVED],
    [
      'being restored, restoring allowed',
      { source: object({ availability: 'restoring' }), policy: RESTORE },
      { kind: 'restore' },
    ],
    ['archived and changed', { source: object({ availability: 'archived' }), target: targetObject() }, ARCHIVED],
    [
      'archived but copied before',
      { source: object({ availability: 'archived' }), target: targetObject(), previous: row(), policy: RESTORE },
      same('snapshot'),
    ],
    [
      'archived and absent, checking',
      { source: object({ availability: 'archived' }), policy: CHECK },
      { kind: 'missing' },
    ],
    // Snapshot.
    ['as in the snapshot', { source: object(), target: targetObject(), previous: row() }, same('snapshot')],
    [
      'as in the snapshot, times moved but ETags not',
      { source: object({ modifiedAtMs: 7 }), target: targetObject({ modifiedAtMs: 9 }), previous: row() },
      same('snapshot'),
    ],
    [
      'snapshot knows a version, the listing does not',
      {
        source: object(),
        target: targetObject(),
        previous: row({ source: { ...row().source, versionId: 'v1' } }),
      },
      same('snapshot'),
    ],
    [
      'other version than in the snapshot',
      {
        source: object({ identity: identity('s1', 'v2') }),
        target: targetObject({ modifiedAtMs: 2000 }),
        previous: row({ source: { ...row().source, versionId: 'v1' } }),
      },
      COPY_CHANGED,
    ],
    [
      'no ETags, size and time as in the snapshot',
      {
        source: object({ identity: identity(null) }),
        target: targetObject({ identity: identity(null) }),
        previous: row({ source: { ...row().source, etag: null }, target: { ...row().target, etag: null } }),
      },
      same('snapshot'),
    ],
    [
      'no ETags, time not as in the snapshot',
      {
        source: object({ identity: identity(null), modifiedAtMs: 1001 }),
        target: targetObject(),
        previous: row({ source: { ...row().source, etag: null } }),
      },
      COPY_CHANGED,
    ],
    [
      'no ETags, no times: the snapshot proves nothing',
      {
        source: object({ identity: identity(null), modifiedAtMs: null }),
        target: targetObject(),
        previous: row({ source: { ...row().source, etag: null, modifiedAtMs: null } }),
      },
      COPY_CHANGED,
    ],
    [
      'source as in the snapshot, size of the target not',
      { source: object(), target: targetObject({ sizeBytes: 11 }), previous: row() },
      COPY_CHANGED,
    ],
    [
      'rewritten by the provider: sizes and digests differ by nature',
      {
        source: object({ digests: MD5_A }),
        target: targetObject({ sizeBytes: 12, digests: MD5_B }),
        previous: row({ verification: 'VM', target: { ...row().target, sizeBytes: 12 } }),
      },
      same('snapshot'),
    ],
    [
      'as in the snapshot and proved then, though what the listings call digests differs',
      { source: object({ digests: MD5_A }), target: targetObject({ digests: MD5_B }), previous: row() },
      same('snapshot'),
    ],
    [
      'proved, but known by size and time only, and the digests differ',
      {
        source: object({ identity: identity(null), digests: MD5_A }),
        target: targetObject({ identity: identity(null), digests: MD5_B }),
        previous: row(),
      },
      { kind: 'copy', reason: 'changed', expect: { kind: 'any' } },
    ],
    [
      'as in the snapshot, but the digests differ',
      {
        source: object({ digests: MD5_A }),
        target: targetObject({ digests: MD5_B }),
        previous: row({ verification: 'V0' }),
      },
      COPY_CHANGED,
    ],
    [
      'as in the snapshot, which knew no more than the size',
      { source: object(), target: targetObject(), previous: row({ verification: 'V0' }) },
      same('size'),
    ],
    [
      'as in the snapshot, which knew no more than the size, checking',
      { source: object(), target: targetObject(), previous: row({ verification: 'V0' }), policy: CHECK },
      same('size'),
    ],
    [
      'as in the snapshot, which knew no more than the size, and a digest does by now',
      {
        source: object({ digests: MD5_A }),
        target: targetObject({ digests: MD5_A }),
        previous: row({ verification: 'V0' }),
      },
      same('digest'),
    ],
    [
      'a copy that could not be proved, though it left its mark',
      {
        source: object(),
        target: targetObject({ recorded: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1 } }),
        previous: row({ verification: 'V0' }),
      },
      same('size'),
    ],
    [
      'no bytes on both sides',
      { source: object({ sizeBytes: 0 }), target: targetObject({ sizeBytes: 0, modifiedAtMs: 1000 }) },
      { kind: 'same', evidence: 'size', weak: false },
    ],
    // Digests.
    ['equal digests', { source: object({ digests: MD5_A }), target: targetObject({ digests: MD5_A }) }, same('digest')],
    [
      'one digest equal, another differs',
      {
        source: object({ digests: { ...MD5_A, crc32c: '1' } }),
        target: targetObject({ digests: { ...MD5_A, crc32c: '2' } }),
      },
      COPY_CHANGED,
    ],
    [
      'digest differs though size and time are equal',
      {
        source: object({ digests: MD5_A }),
        target: targetObject({ digests: MD5_B, modifiedAtMs: 1000 }),
        targetKeepsSourceTime: true,
      },
      COPY_CHANGED,
    ],
    [
      'equal digest, other size (a store that lies): changed',
      { source: object({ digests: MD5_A }), target: targetObject({ digests: MD5_A, sizeBytes: 9 }) },
      COPY_CHANGED,
    ],
    [
      'equal composites',
      { source: object({ composite: etags('c') }), target: targetObject({ composite: etags('c') }) },
      same('digest'),
    ],
    [
      'composites of another number of parts prove nothing',
      { source: object({ composite: etags('c', 2) }), target: targetObject({ composite: etags('c', 3) }) },
      COPY_CHANGED,
    ],
    [
      'unequal composites do not disprove size and time',
      {
        source: object({ composite: etags('c') }),
        target: targetObject({ composite: etags('d'), modifiedAtMs: 1000 }),
        targetKeepsSourceTime: true,
      },
      same('size-and-time'),
    ],
    // Recorded source identity.
    [
      'recorded identity',
      {
        source: object(),
        target: targetObject({ recorded: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1 } }),
      },
      same('recorded'),
    ],
    [
      'recorded identity, of a copy that only its size speaks for',
      {
        source: object(),
        target: targetObject({
          recorded: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1, isProved: false },
        }),
      },
      same('size'),
    ],
    [
      'recorded identity, of a copy that a digest speaks for, where others have none',
      {
        source: object(),
        target: targetObject({
          recorded: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1, isProved: true },
        }),
        mayCopyByReference: true,
      },
      same('recorded'),
    ],
    [
      'recorded identity, and nobody knows how its copy was made',
      {
        source: object(),
        target: targetObject({ recorded: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1 } }),
        mayCopyByReference: true,
      },
      same('size'),
    ],
    [
      'recorded identity, and somebody wrote to the target since a run left it so, whatever kept the mark',
      {
        source: object(),
        target: targetObject({
          identity: identity('t2'),
          modifiedAtMs: 2000,
          recorded: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1000, isProved: true },
        }),
        previous: row(),
      },
      { kind: 'copy', reason: 'changed', expect: { kind: 'match', identity: identity('t2') } },
    ],
    [
      'recorded identity of a state of the source that no run has told of yet',
      {
        source: object({ identity: identity('s2') }),
        target: targetObject({
          identity: identity('t2'),
          recorded: { etag: 's2', versionId: null, sizeBytes: 10, modifiedAtMs: 1000, isProved: true },
        }),
        previous: row(),
      },
      same('recorded'),
    ],
    [
      'recorded another identity',
      {
        source: object(),
        target: targetObject({ recorded: { etag: 's0', versionId: null, sizeBytes: 10, modifiedAtMs: 1000 } }),
      },
      COPY_CHANGED,
    ],
    [
      'recorded by size and time where there is no ETag',
      {
        source: object({ identity: identity(null) }),
        target: targetObject({ recorded: { etag: null, versionId: null, sizeBytes: 10, modifiedAtMs: 1000 } }),
      },
      same('recorded'),
    ],
    [
      'recorded, but the target has another size by now',
      {
        source: object({ sizeBytes: 11 }),
        target: targetObject({
          sizeBytes: 11,
          recorded: { etag: 's1', versionId: null, sizeBytes: 10, modifiedAtMs: 1000 },
        }),
      },
      COPY_CHANGED,
    ],
    // Size and time.
    [
      'equal time',
      { source: object(), target: targetObject({ modifiedAtMs: 1000 }), targetKeepsSourceTime: true },
      same('size-and-time'),
    ],
    [
      'time within the grid',
      {
        source: object(),
        target: targetObject({ modifiedAtMs: 2000 }),
        targetKeepsSourceTime: true,
        timeToleranceMs: 1000,
      },
      same('size-and-time'),
    ],
    [
      'time beyond the grid',
      {
        source: object(),
        target: targetObject({ modifiedAtMs: 2001 }),
        targetKeepsSourceTime: true,
        timeToleranceMs: 1000,
      },
      COPY_CHANGED,
    ],
    [
      'equal time, but the source has another ETag than last time',
      {
        source: object({ identity: identity('s2') }),
        target: targetObject({ modifiedAtMs: 1000 }),
        targetKeepsSourceTime: true,
        previous: row(),
      },
      COPY_CHANGED,
    ],
    ['written at the target later', { source: object(), target: targetObject({ modifiedAtMs: 1000 }) }, same('size')],
    [
      'written at the source later',
      { source: object(), target: targetObject({ modifiedAtMs: 999 }), timeToleranceMs: 1000 },
      COPY_CHANGED,
    ],
    [
      'target was overwritten by somebody since the last run',
      { source: object(), target: targetObject({ modifiedAtMs: 9000, identity: identity('t2') }), previous: row() },
      { kind: 'copy', reason: 'changed', expect: { kind: 'match', identity: identity('t2') } },
    ],
    ['no time at the source', { source: object({ modifiedAtMs: null }), target: targetObject() }, COPY_CHANGED],
    ['no time at the target', { source: object(), target: targetObject({ modifiedAtMs: null }) }, COPY_CHANGED],
    ['other size', { source: object(), target: targetObject({ sizeBytes: 11, modifiedAtMs: 9000 }) }, COPY_CHANGED],
    // Checking.
    ['same, checking', { source: object(), target: targetObject({ modifiedAtMs: 1000 }), policy: CHECK }, same('size')],
    ['other size, checking', { source: object(), target: targetObject({ sizeBytes: 11 }), policy: CHECK }, DIFFERENT],
    ['nothing proved, checking', { source: object(), target: targetObject(), policy: CHECK }, DIFFERENT],
    // Newer at the target.
    [
      'newer at the target, skip',
      {
        source: object(),
        target: targetObject({ sizeBytes: 11, modifiedAtMs: 1001 }),
        policy: { ...DEFAULT_POLICY, targetNewer: 'skip' },
      },
      { kind: 'skipped', reason: 'target-newer' },
    ],
    [
      'newer within the grid, skip',
      {
        source: object(),
        target: targetObject({ sizeBytes: 11, modifiedAtMs: 1001 }),
        timeToleranceMs: 1,
        policy: { ...DEFAULT_POLICY, targetNewer: 'skip' },
      },
      COPY_CHANGED,
    ],
    [
      'older at the target, skip',
      { source: object(), target: targetObject({ sizeBytes: 11 }), policy: { ...DEFAULT_POLICY, targetNewer: 'skip' } },
      COPY_CHANGED,
    ],
    [
      'newer at the target, overwrite',
      { source: object(), target: targetObject({ sizeBytes: 11, modifiedAtMs: 9000 }) },
      COPY_CHANGED,
    ],
    // Conditions.
    [
      'the target cannot match',
      { source: object(), target: targetObject(), targetMatchable: false },
      { kind: 'copy', reason: 'changed', expect: { kind: 'any' } },
    ],
    [
      'the target has no identity to match',
      { source: object(), target: targetObject({ identity: identity(null) }) },
      { kind: 'copy', reason: 'changed', expect: { kind: 'any' } },
    ],
  ];

  it.each(cases)('%s', (_name, given, expected) => {
    expect(decide(situation(given))).toMatchObject(expected);
  });

  it('names the native type and the storage class', () => {
    expect(decide(situation({ source: link({ nativeType: 'fifo' }) }))).toMatchObject({
      details: expect.stringContaining('fifo'),
    });
    const archived = object({ availability: 'archived', storageClass: 'DEEP_ARCHIVE' });
    expect(decide(situation({ source: archived }))).toMatchObject({ details: expect.stringContaining('DEEP_ARCHIVE') });
  });
});
