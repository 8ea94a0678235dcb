import { describe, expect, it } from 'vitest';
import { ZERO_COUNTERS, type Counters } from '../model/outcome.ts';
import { DEFAULT_POLICY, type Policy } from '../model/policy.ts';
import { deleteCapText, emptySourceText, refuseUnsafeMirror } from './mirror-guard.ts';

function refusal(scanned: number, extra: number, there: number, policy: Partial<Policy>): string | null {
  const counters: Counters = {
    ...ZERO_COUNTERS,
    items: { ...ZERO_COUNTERS.items, scanned },
    differences: { ...ZERO_COUNTERS.differences, extra },
    targetScanned: there,
  };
  try {
    refuseUnsafeMirror(counters, { ...DEFAULT_POLICY, mode: 'mirror', ...policy });
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const ALLOWED = { allowEmptySource: true } as const;

describe('a mirror', () => {
  it.each<[string, number, number, number, Partial<Policy>, string | null]>([
    ['deletes half as long as nobody chose', 5, 5, 10, { deleteShareMax: 'default' }, null],
    ['deletes no more than half as long as nobody chose', 4, 6, 10, { deleteShareMax: 'default' }, 'GUARD_DELETE_CAP'],
    ['keeps to the half that was chosen', 4, 6, 10, { deleteShareMax: 0.5 }, 'GUARD_DELETE_CAP'],
    ['has no limit where none is wanted', 1, 10, 10, { deleteShareMax: null }, null],
    ['of an empty source', 0, 10, 10, { deleteShareMax: null }, 'GUARD_EMPTY_SOURCE'],
    ['… that is allowed, where nobody chose a cap', 0, 10, 10, { ...ALLOWED, deleteShareMax: 'default' }, null],
    ['… whoever chose half meant it', 0, 10, 10, { ...ALLOWED, deleteShareMax: 0.5 }, 'GUARD_DELETE_CAP'],
    ['… whoever chose another share, too', 0, 10, 10, { ...ALLOWED, deleteShareMax: 0.9 }, 'GUARD_DELETE_CAP'],
    ['… or a count', 0, 10, 10, { ...ALLOWED, deleteMax: 9, deleteShareMax: 'default' }, 'GUARD_DELETE_CAP'],
    ['… a count that is enough', 0, 10, 10, { ...ALLOWED, deleteMax: 10, deleteShareMax: 'default' }, null],
    ['… all of it', 0, 10, 10, { ...ALLOWED, deleteShareMax: 1 }, null],
    ['with nothing to delete', 0, 0, 0, { deleteMax: 0, deleteShareMax: 0 }, null],
  ])('%s', (_what, scanned, extra, there, policy, code) => {
    expect(refusal(scanned, extra, there, policy)).toBe(code);
  });

  it('says the same half, chosen or not', () => {
    const half = '50 % of the objects there';
    expect(deleteCapText({ deleteMax: null, deleteShareMax: 'default' })).toBe(half);
    expect(deleteCapText({ deleteMax: null, deleteShareMax: 0.5 })).toBe(half);
    expect(deleteCapText({ deleteMax: null, deleteShareMax: null })).toBeNull();
  });

  it.each<[Partial<Policy>, RegExp]>([
    [{ deleteShareMax: 'default' }, /without any objects ends the run as failed/],
    [{ ...ALLOWED, deleteShareMax: 'default' }, /everything there is deleted\.$/],
    [{ ...ALLOWED, deleteShareMax: null }, /everything there is deleted\.$/],
    [{ ...ALLOWED, deleteShareMax: 0.5 }, /everything there is deleted, unless that is more than 50 % of the objects/],
    [{ ...ALLOWED, deleteMax: 7, deleteShareMax: 'default' }, /deleted, unless that is more than 7 objects\.$/],
  ])('says what an empty source does: %j', (policy, words) => {
    expect(emptySourceText({ ...DEFAULT_POLICY, ...policy })).toMatch(words);
  });
});
