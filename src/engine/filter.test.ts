import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryOf } from '../model/entry.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { DEFAULT_POLICY, type FilterPolicy } from '../model/policy.ts';
import { compileFilter } from './filter.ts';
import { compileGlob } from './glob.ts';

const NONE = DEFAULT_POLICY.filter;
const NOW = 1_000_000;
const reason = (filter: Partial<FilterPolicy>, entry: Partial<Entry> & { key: string }): string | null =>
  compileFilter({ ...NONE, ...filter }, NOW)(entryOf(entry));
const isExcluded = (pattern: string, key: string): boolean =>
  reason({ exclude: [pattern] }, { key, kind: key.endsWith('/') ? 'folder' : 'object' }) !== null;

describe('patterns', () => {
  const cases: readonly [string, readonly string[], readonly string[]][] = [
    ['*.tmp', ['a.tmp', 'x/y/a.tmp', '.tmp', 'a.b.tmp', 'd.tmp/'], ['a.tmp.gz', 'a.tmp/b', 'atmp']],
    ['a?c', ['abc', 'x/a-c', 'a😀c', 'x/aéc'], ['ac', 'abbc', 'a/c']],
    ['a*', ['a', 'abc', 'x/ab'], ['ba', 'a/b']],
    ['/*.jpg', ['a.jpg'], ['x/a.jpg', 'a.jpeg']],
    ['/a', ['a', 'a/'], ['x/a', 'a/b']],
    ['x/*.jpg', ['x/a.jpg'], ['y/x/a.jpg', 'x/y/a.jpg']],
    ['x/**', ['x/a', 'x/a/b', 'x/'], ['x', 'y/x/a']],
    ['**/x/*.jpg', ['x/a.jpg', 'y/x/a.jpg', 'y/z/x/a.jpg'], ['xx/a.jpg', 'x/y/a.jpg']],
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b', 'a//b'], ['ab', 'a/xb', 'x/a/b']],
    ['a**b', ['ab', 'axb', 'x/ab'], ['x/abc', 'a/x/b']],
    ['/a**b', ['ab', 'a/x/b'], ['x/ab']],
    ['**', ['a', 'a/b', 'a/'], []],
    ['logs/', ['logs/', 'logs/a', 'x/logs/a/b'], ['logs', 'xlogs/a', 'x/logs']],
    ['/logs/', ['logs/', 'logs/a/b'], ['x/logs/a', 'logs']],
    ['x/logs/', ['x/logs/a'], ['y/x/logs/a', 'logs/a']],
    ['*.{jpg,png}', ['a.jpg', 'x/a.png'], ['a.gif', 'a.{jpg,png}']],
    ['{a,b{c,d}}e', ['ae', 'bce', 'bde'], ['be', 'abce']],
    ['a{,b}', ['a', 'ab'], ['b', 'abb']],
    ['{x/a,b}', ['x/a', 'b'], ['y/x/a', 'y/b']],
    ['[a-c]1', ['a1', 'c1', 'x/b1'], ['d1', 'aa1', '-1']],
    ['[!a-c]1', ['d1'], ['a1', '1']],
    ['[^a]', ['b'], ['a', 'bb']],
    ['[a-]', ['a', '-'], ['b']],
    ['[\\]]', [']'], ['a']],
    ['\\*', ['*', 'x/*'], ['a']],
    ['a}', ['a}'], ['a']],
    ['a,b', ['a,b'], ['a', 'b']],
    ['A', ['A'], ['a']],
    ['a//b', ['a//b'], ['a/b']],
    ['\udc80*', ['\udc80x'], ['x']],
  ];

  it.each(cases)('%s', (pattern, matching, others) => {
    expect(matching.filter((key) => !isExcluded(pattern, key))).toEqual([]);
    expect(others.filter((key) => isExcluded(pattern, key))).toEqual([]);
  });

  it.each(['', '[', '[a', 'a[]', '{', '{a,b', 'a\\', '[z-a]', '[a\\', '{a,{b}', '/[/'])(
    'refuses %j by name',
    (pattern) => {
      for (const filter of [{ include: [pattern] }, { exclude: [pattern] }]) {
        let thrown: unknown = null;
        try {
          compileFilter({ ...NONE, ...filter }, NOW);
        } catch (error) {
          thrown = error;
        }
        expect(thrown).toBeInstanceOf(DroverError);
        expect((thrown as DroverError).code).toBe('INVALID_INPUT');
        expect((thrown as DroverError).message).toContain(`"${pattern}"`);
      }
    },
  );

  it('comes back from patterns that make a backtracking matcher hang', () => {
    const key = `${'a'.repeat(4000)}!`;
    for (const pattern of [
      '/' + '*a'.repeat(30),
      '/**' + '{a,aa}'.repeat(20),
      '/**/' + '**/'.repeat(20) + 'b',
      '/' + '{*a,*aa}'.repeat(12),
    ]) {
      expect(isExcluded(pattern, key)).toBe(false);
    }
    expect(isExcluded(`/${'*a'.repeat(30)}!`, key)).toBe(true);
  });

  it('agrees with a plain backtracking matcher', () => {
    const piece = fc.constantFrom('a', 'b', '/', '*', '**', '?', '**/', '[ab]', '[!a]', '{a,b/}', '{,a}');
    const pattern = fc.array(piece, { minLength: 1, maxLength: 7 }).map((pieces) => pieces.join(''));
    const text = fc.array(fc.constantFrom('a', 'b', 'c', '/'), { maxLength: 8 }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(pattern, text, (glob, key) => {
        expect(compileGlob(glob)(key)).toBe(referenceOf(glob).test(key));
      }),
      { numRuns: 3000 },
    );
  });
});

const REFERENCE: Readonly<Record<string, string>> = {
  '*': '[^/]*',
  '?': '[^/]',
  '[ab]': '[ab]',
  '[!a]': '[^a/]',
  '{a,b/}': '(?:a|b/)',
  '{,a}': '(?:|a)',
};

/** The same language as a regular expression; fine for short patterns only. */
function referenceOf(glob: string): RegExp {
  const tokens = /(?<=^|\/)\*{2,}\/|\*{2,}|\[[^\]]*\]|\{[^}]*\}|[^]/g;
  const source = glob.replace(tokens, (token) => {
    if (token.startsWith('**')) return token.endsWith('/') ? '(?:[^]*/)?' : '[^]*';
    return REFERENCE[token] ?? token;
  });
  return new RegExp(`^(?:${source})$`, 'u');
}

describe('compileFilter', () => {
  it('lets everything through without rules', () => {
    expect(reason({}, { key: 'a' })).toBeNull();
  });

  it('names the pattern, and exclusion beats inclusion', () => {
    expect(reason({ include: ['*.jpg'] }, { key: 'x/a.jpg' })).toBeNull();
    expect(reason({ include: ['*.jpg'] }, { key: 'x/a.png' })).toContain('included');
    expect(reason({ include: ['*.jpg'], exclude: ['x/**'] }, { key: 'x/a.jpg' })).toContain('"x/**"');
    expect(reason({ include: ['*.png', '*.jpg'] }, { key: 'a.jpg' })).toBeNull();
  });

  const object = { key: 'a', sizeBytes: 100, modifiedAtMs: NOW - 500, storageClass: 'GLACIER' };
  const cases: readonly [string, Partial<FilterPolicy>, Partial<Entry> & { key: string }, boolean][] = [
    ['size at the minimum', { sizeBytesMin: 100 }, object, false],
    ['size below the minimum', { sizeBytesMin: 101 }, object, true],
    ['size at the maximum', { sizeBytesMax: 100 }, object, false],
    ['size above the maximum', { sizeBytesMax: 99 }, object, true],
    ['just old enough', { ageMsMin: 500 }, object, false],
    ['too young', { ageMsMin: 501 }, object, true],
    ['just young enough', { ageMsMax: 500 }, object, false],
    ['too old', { ageMsMax: 499 }, object, true],
    ['from the future counts as young', { ageMsMin: 0 }, { ...object, modifiedAtMs: NOW + 1 }, true],
    ['no time, ages limited', { ageMsMin: 0 }, { ...object, modifiedAtMs: null }, true],
    ['written at the last moment', { modifiedBeforeMs: NOW - 500 }, object, false],
    ['written after the last moment', { modifiedBeforeMs: NOW - 501 }, object, true],
    ['written at the first moment', { modifiedAfterMs: NOW - 500 }, object, false],
    ['written before the first moment', { modifiedAfterMs: NOW - 499 }, object, true],
    ['one of several limits is enough', { ageMsMax: 500, modifiedAfterMs: NOW }, object, true],
    ['no time, moments limited', { modifiedAfterMs: 0 }, { ...object, modifiedAtMs: null }, true],
    ['no time, ages free', {}, { ...object, modifiedAtMs: null }, false],
    ['class excluded', { excludeClasses: ['glacier'] }, object, true],
    ['other class', { excludeClasses: ['DEEP_ARCHIVE'] }, object, false],
    ['no class', { excludeClasses: ['STANDARD'] }, { ...object, storageClass: null }, false],
    ['folders have no size', { sizeBytesMin: 1, ageMsMin: 1 }, { key: 'd/', kind: 'folder' }, false],
    ['links have no size', { sizeBytesMin: 1 }, { key: 'l', kind: 'opaque' }, false],
    ['folders have names', { exclude: ['d'] }, { key: 'x/d/', kind: 'folder' }, true],
    ['links have names', { exclude: ['l'] }, { key: 'x/l', kind: 'opaque' }, true],
  ];
  it.each(cases)('%s', (_name, filter, entry, isLeftOut) => {
    expect(reason(filter, entry) !== null).toBe(isLeftOut);
  });
});
