import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EntryKind } from '../model/entry.ts';
import { keyFromBytes, keyLengthBytes } from '../model/key.ts';
import { ALL_NAMES } from '../model/names.ts';
import type { NameRules } from '../model/names.ts';
import { decodeMapped, foldKey, isMappedForm, mapKey, needsMapping, objectBesidePrefixName } from './naming.ts';

const FILES: NameRules = {
  ...ALL_NAMES,
  keyBytesMax: 4000,
  segmentBytesMax: 255,
  emptySegments: false,
  dotSegments: false,
  trailingSlashContent: false,
  forbidden: [{ from: 0, to: 0 }],
  objectAndPrefix: false,
};
const BLOBS: NameRules = {
  ...ALL_NAMES,
  keyCharactersMax: 1024,
  segmentsMax: 254,
  dotSegments: false,
  trailingDot: false,
  forbidden: [
    { from: 0, to: 0x1f },
    { from: 0x7f, to: 0x9f },
  ],
  invalidUtf8: false,
};
const STRICT: NameRules = {
  keyBytesMax: 120,
  keyCharactersMax: 100,
  segmentBytesMax: 64,
  segmentsMax: 4,
  emptySegments: false,
  dotSegments: false,
  trailingDot: false,
  trailingSpace: false,
  trailingSlashContent: false,
  forbidden: [
    { from: 0, to: 0x1f },
    { from: 0x3a, to: 0x3a },
    { from: 0x1f600, to: 0x1f64f },
  ],
  invalidUtf8: false,
  objectAndPrefix: false,
  caseSensitive: false,
};

describe('mapKey', () => {
  const cases: readonly [string, NameRules, string, string, EntryKind?][] = [
    ['plain', FILES, 'a/b.txt', 'a/b.txt'],
    ['percent in a plain name stays', FILES, 'a%2Fb', 'a%2Fb'],
    ['parent', FILES, '../etc', '%2E%2E/etc'],
    ['here', FILES, 'a/./b', 'a/%2E/b'],
    ['three dots are a name', FILES, '...', '...'],
    ['hidden file', FILES, '.profile', '.profile'],
    ['leading slash', FILES, '/etc/passwd', '%2Fetc/passwd'],
    ['two slashes', FILES, 'a//b', 'a/%2Fb'],
    ['three slashes', FILES, 'a///b', 'a/%2F%2Fb'],
    ['content under a slash', FILES, 'd/', 'd%2F'],
    ['content under two slashes', FILES, 'd//', 'd/%2F'],
    ['folder', FILES, 'd/', 'd/', 'folder'],
    ['folder under an empty name', FILES, 'd//', 'd%2F/', 'folder'],
    ['folder without a name', FILES, '/', '%/', 'folder'],
    ['only a slash', FILES, '/', '%2F'],
    ['NUL', FILES, 'a\u0000b', 'a%00b'],
    ['an escape beside what must be escaped', FILES, '../a%2Fb', '%2E%2E/a%252Fb'],
    ['a lone percent beside what must be escaped', FILES, '../100%', '%2E%2E/100%'],
    ['parent as an object under a slash', FILES, '../', '..%2F'],
    ['trailing dot', BLOBS, 'a./b', 'a%2E/b'],
    ['trailing dots', BLOBS, 'a..', 'a.%2E'],
    ['control character', BLOBS, 'a\u0081b', 'a%C2%81b'],
    ['bytes that are not UTF-8', BLOBS, 'a\udcff', 'a%FF'],
    ['empty names are fine there', BLOBS, 'a//b/', 'a//b/'],
    ['trailing space', STRICT, 'a /b', 'a%20/b'],
    ['beyond the basic plane', STRICT, 'a😀', 'a%F0%9F%98%80'],
    ['too many names', STRICT, 'a/b/c/d/e', 'a/b/c/d%2Fe'],
    ['all names', ALL_NAMES, '/../a//\u0000/. ', '/../a//\u0000/. '],
  ];
  it.each(cases)('%s', (_name, rules, key, expected, kind = 'object') => {
    expect(mapKey(key, rules, kind)).toBe(expected);
    expect(needsMapping(key, rules, kind)).toBe(key !== expected);
  });

  it('cuts long names at a character, with a hash of the original', () => {
    const name = 'é'.repeat(200);
    const mapped = mapKey(`x/${name}/y`, FILES);
    expect(mapped).toMatch(/^x\/é{119}~[0-9a-f]{16}\/y$/);
    expect(keyLengthBytes(mapped.split('/')[1] as string)).toBe(255);
    const other = mapKey(`x/${name}é/y`, FILES);
    expect(other).not.toBe(mapped);
    expect(mapKey(`z/${name}`, FILES).slice(2)).toBe(mapped.split('/')[1]);
  });

  it('cuts long keys, with a hash of the whole original', () => {
    const key = `${'n/'.repeat(700)}end`;
    const rules = { ...ALL_NAMES, keyCharactersMax: 1024 };
    const mapped = mapKey(key, rules);
    expect(mapped).toHaveLength(1024);
    expect(mapped).toMatch(/~[0-9a-f]{16}$/);
    expect(mapKey(`${key}!`, rules)).not.toBe(mapped);
  });

  it('leaves no name too long where it cuts a key', () => {
    const mapped = mapKey(`${'x'.repeat(30)}/${'y'.repeat(64)}/${'z'.repeat(30)}`, STRICT);
    expect(mapped).toMatch(/^x{30}\/y{47}~[0-9a-f]{16}$/);
  });

  it('escapes what is forbidden among the stand-ins for bytes', () => {
    const rules = { ...ALL_NAMES, forbidden: [{ from: 0xd800, to: 0xdc7f }] };
    expect(mapKey('a\ud800', rules)).toBe('a%EF%BF%BD');
    expect(mapKey('a\udc80', rules)).toBe('a\udc80');
  });

  it('does not cut inside an escape', () => {
    const key = `${'a'.repeat(46)}::${'b'.repeat(30)}`;
    expect(mapKey(key, STRICT)).toMatch(/^a{46}~[0-9a-f]{16}$/);
  });
});

describe('isMappedForm', () => {
  const cases: readonly [string, NameRules, boolean][] = [
    ['a/b', FILES, false],
    ['%2E%2E/etc', FILES, true],
    ['%2e%2e/etc', FILES, false],
    ['a%20b', FILES, false],
    ['100%25', FILES, false],
    ['d%2F', FILES, true],
    ['d%2F/', FILES, true],
    ['%/', FILES, true],
    ['%/', BLOBS, false],
    ['a%2E', BLOBS, true],
    ['a%2E', FILES, false],
    ['a~0123456789abcdef', FILES, true],
    ['a~0123456789abcdef/b', FILES, true],
    ['a~0123456789abcdefg', FILES, false],
    ['a~0123456789abcdef', ALL_NAMES, false],
    ['a~object', FILES, true],
    ['a~object', BLOBS, false],
  ];
  it.each(cases)('%s', (key, rules, expected) => {
    expect(isMappedForm(key, rules)).toBe(expected);
  });
});

const named = (text: string, what: EntryKind): string => (what === 'folder' && !text.endsWith('/') ? `${text}/` : text);

describe('mapping any key', () => {
  const piece = fc.constantFrom(
    '/',
    '/',
    '.',
    '..',
    ' ',
    '%',
    '%2F',
    '%2E',
    '2F',
    'a',
    'b',
    ':',
    '\u0000',
    'é',
    '😀',
    'name',
    '~0123456789abcdef',
    '%/',
    'x'.repeat(40),
  );
  const textKey = fc.array(piece, { minLength: 1, maxLength: 9 }).map((pieces) => pieces.join(''));
  const byteKey = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => keyFromBytes(bytes));
  const key = fc.oneof({ weight: 3, arbitrary: textKey }, byteKey);
  const rules = fc.oneof(
    fc.constantFrom(FILES, BLOBS, STRICT, ALL_NAMES),
    fc
      .record({
        segmentBytesMax: fc.constantFrom(null, 64),
        keyBytesMax: fc.constantFrom(null, 100),
        segmentsMax: fc.constantFrom(null, 3),
        emptySegments: fc.boolean(),
        dotSegments: fc.boolean(),
        trailingDot: fc.boolean(),
        trailingSpace: fc.boolean(),
        trailingSlashContent: fc.boolean(),
        invalidUtf8: fc.boolean(),
      })
      .map((given) => ({ ...ALL_NAMES, ...given })),
  );
  const kind = fc.constantFrom<EntryKind>('object', 'folder');

  it('gives a name the target can hold, which is its own name from then on', () => {
    fc.assert(
      fc.property(key, rules, kind, (text, given, what) => {
        const mapped = mapKey(named(text, what), given, what);
        expect(needsMapping(mapped, given, what)).toBe(false);
        expect(mapKey(mapped, given, what)).toBe(mapped);
        if (what === 'folder') expect(mapped.endsWith('/')).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('is undone by decoding, unless it was cut', () => {
    fc.assert(
      fc.property(key, rules, kind, (text, given, what) => {
        const original = named(text, what);
        const mapped = mapKey(original, given, what);
        if (mapped === original || /~[0-9a-f]{16}/.test(mapped)) return;
        expect(decodeMapped(mapped)).toBe(original);
      }),
      { numRuns: 2000 },
    );
  });

  it('never gives two keys the same name, except where the second one already looks mapped', () => {
    fc.assert(
      fc.property(key, key, rules, kind, (a, b, given, what) => {
        const [x, y] = [named(a, what), named(b, what)];
        if (x === y || mapKey(x, given, what) !== mapKey(y, given, what)) return;
        const literal = needsMapping(x, given, what) ? y : x;
        expect(needsMapping(literal, given, what)).toBe(false);
        expect(isMappedForm(literal, given)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('recognizes every name it makes', () => {
    fc.assert(
      fc.property(key, rules, kind, (text, given, what) => {
        const original = named(text, what);
        const mapped = mapKey(original, given, what);
        if (mapped !== original) expect(isMappedForm(mapped, given)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('objectBesidePrefixName', () => {
  it('stays within the rules and is recognized', () => {
    expect(objectBesidePrefixName('a', FILES)).toBe('a~object');
    expect(objectBesidePrefixName('x/..', FILES)).toBe('x/%2E%2E~object');
    const long = objectBesidePrefixName('n'.repeat(255), FILES);
    expect(needsMapping(long, FILES)).toBe(false);
    expect(isMappedForm(long, FILES)).toBe(true);
  });
});

describe('foldKey', () => {
  it('takes names for one that such targets take for one', () => {
    expect(foldKey('ÄPFEL/Straße.TXT')).toBe(foldKey('äpfel/straße.txt'));
    expect(foldKey('e\u0301')).toBe(foldKey('\u00e9'));
    expect(foldKey('straße')).not.toBe(foldKey('strasse'));
    expect(foldKey('𐐀')).toBe(foldKey('𐐨'));
  });

  it('does not change what it folded', () => {
    const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme-composite' }));
    fc.assert(
      fc.property(texts, (text) => {
        expect(foldKey(foldKey(text))).toBe(foldKey(text));
      }),
      { numRuns: 3000 },
    );
  });
});
