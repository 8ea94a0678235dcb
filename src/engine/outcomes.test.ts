import { describe, expect, it } from 'vitest';
import { createMemoryProvider, MemoryStore } from '../providers/memory/provider.ts';
import type { SourceTraits, TargetTraits } from '../contract/provider.ts';
import { ALL_NAMES, type NameRules } from '../model/names.ts';
import { DEFAULT_POLICY, type Policy } from '../model/policy.ts';
import { outcomesOf } from './outcomes.ts';

const { manifest } = createMemoryProvider(new MemoryStore({}, 'shelf'));

function told(
  policy: Partial<Policy>,
  { facets, names, sourceNames }: { facets?: SourceTraits['facets']; names?: NameRules; sourceNames?: NameRules } = {},
): Readonly<Record<string, string>> {
  const source = manifest.source as SourceTraits;
  const target = manifest.target as TargetTraits;
  const all = outcomesOf({
    source: { ...source, facets: facets ?? ['versions', 'restore'] },
    target: { ...target, names: names ?? ALL_NAMES },
    facts: null,
    policy: { ...DEFAULT_POLICY, ...policy },
    sourceTitle: 'Shelf',
    targetTitle: 'Drawer',
    sourceNames: sourceNames ?? null,
  });
  return Object.fromEntries(all.map(({ aspect, detail }) => [aspect, detail]));
}

describe('outcomes', () => {
  it.each<[string, Partial<Policy>, RegExp]>([
    ['without a cap', {}, /has at this place.* is deleted there.*whoever put it there.*No limit is set/],
    ['with a share', { deleteShareMax: 'default' }, /more than 50 % of the objects there, nothing is deleted/],
    ['with a count', { deleteMax: 1_000 }, /more than 1,000 objects, nothing is deleted/],
    ['with both', { deleteMax: 1, deleteShareMax: 0.125 }, /more than one object or 12.5 % of the objects there/],
  ])('of a mirror say what it deletes: %s', (_how, policy, words) => {
    expect(told({ mode: 'mirror', ...policy })['deletions']).toMatch(words);
  });

  it('differ by mode: what is renamed at the source', () => {
    expect(told({ mode: 'mirror' })['renames']).toMatch(/copied anew, and deleted under its old name/);
    expect(told({ mode: 'merge' })).not.toHaveProperty('deletions');
    expect(told({ mode: 'merge' })['renames']).toMatch(/Nothing is deleted.* stays under its old name/);
  });

  it('say which versions, and what becomes of what is archived, where the source has any', () => {
    expect(told({})['versions']).toMatch(/Only the current version.* Shelf keeps/);
    expect(told({})['archived']).toMatch(/not copied: they are reported as unsupported/);
    expect(told({ archived: { tier: 'Bulk', days: 1 } })['archived']).toMatch(
      /asked back \(Bulk, for 1 day\).*charges/,
    );
    const without = told({}, { facets: [] });
    expect(without).not.toHaveProperty('versions');
    expect(without).not.toHaveProperty('archived');
  });

  it('leave out names that the source cannot have either', () => {
    const names = { ...ALL_NAMES, keyBytesMax: 1_000, invalidUtf8: false, forbidden: [{ from: 0, to: 0 }] };
    expect(told({}, { names })['names']).toMatch(/certain characters, names that are not valid UTF-8 or keys of more/);
    expect(told({}, { names, sourceNames: names })).not.toHaveProperty('names');
    const longer = { ...names, keyBytesMax: 1_024 };
    expect(told({}, { names, sourceNames: longer })['names']).toMatch(/cannot hold keys of more than 1000 bytes;/);
    const folded = { ...ALL_NAMES, caseSensitive: false };
    expect(told({}, { names: folded })['names']).toMatch(/differ only by case/);
    expect(told({}, { names: folded, sourceNames: folded })).not.toHaveProperty('names');
  });

  it('of a comparison are none', () => {
    expect(told({ mode: 'check' })).toEqual({});
  });
});
