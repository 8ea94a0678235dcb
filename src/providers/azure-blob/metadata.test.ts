/** Metadata comes back as it was given, whatever its names and values, as long as it fits. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMetadata, encodeMetadata, keptEntries, METADATA_BYTES_MAX } from './metadata.ts';
import { holdableTags, parseTags, tagsDocument, tagsHeader } from './tags.ts';

const NOTHING = { expires: null, recorded: null, upload: null, isFolder: false } as const;

const name = fc.oneof(
  fc.stringMatching(/^[a-z0-9_.-]{1,20}$/),
  fc.constantFrom(
    'a-b',
    'a_b',
    'a.b',
    'drover_names',
    'drover_x',
    'hdi_isfolder',
    '1a',
    '_1a',
    'constructor',
    '__proto__',
    'ä',
  ),
);
const value = fc.oneof(
  fc.string({ maxLength: 40, unit: 'grapheme' }),
  fc.constantFrom('', '%', 'a  b', ' a', 'a ', 'ü', '%41'),
);

describe('metadata', () => {
  test('is reversible', () => {
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 12 }), (metadata) => {
        const { entries, losses } = encodeMetadata({ ...NOTHING, metadata });
        expect(losses).toEqual([]);
        for (const [written, text] of Object.entries(entries)) {
          expect(written).toMatch(/^[a-z_][a-z0-9_]*$/);
          expect(text).toMatch(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/);
        }
        expect({ ...decodeMetadata(entries).metadata }).toEqual({ ...metadata });
      }),
    );
  });

  test('names in any case come back in lower case', () => {
    expect(decodeMetadata({ Owner: 'me', Drover_Source_Size: '5' })).toMatchObject({
      metadata: { owner: 'me' },
      recorded: { sizeBytes: 5 },
    });
  });

  test('documented scheme', () => {
    const metadata = { 'content-sha256': 'abc', plain: 'text', städte: 'köln', '1st': '', drover_x: 'y' };
    expect(encodeMetadata({ ...NOTHING, metadata }).entries).toEqual({
      plain: 'text',
      _1st: '%',
      content_sha256: 'abc',
      _drover_x: 'y',
      st_dte: 'k%C3%B6ln',
      drover_names: '_1st=1st&content_sha256=content-sha256&_drover_x=drover_x&st_dte=st%C3%A4dte',
      drover_values: '_1st&st_dte',
    });
  });

  test('two names that would become one stay apart', () => {
    const metadata = { a_b: '1', 'a-b': '2', 'a.b': '3' };
    const { entries } = encodeMetadata({ ...NOTHING, metadata });
    expect(entries).toMatchObject({ a_b: '1', a_b_2: '2', a_b_3: '3' });
    expect(decodeMetadata(entries).metadata).toEqual(metadata);
  });

  test('what does not fit is a loss, always the same one, and the rest fits', () => {
    const metadata = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key-${i}`, 'ü'.repeat(60)]));
    const made = encodeMetadata({ ...NOTHING, metadata });
    const sizeBytes = Object.entries(made.entries).reduce((sum, [key, text]) => sum + key.length + text.length, 0);
    expect(sizeBytes).toBeLessThanOrEqual(METADATA_BYTES_MAX);
    expect(sizeBytes).toBeGreaterThan(METADATA_BYTES_MAX - 500);
    expect(made.losses.length).toBe(40 - Object.keys(decodeMetadata(made.entries).metadata).length);
    expect(encodeMetadata({ ...NOTHING, metadata: Object.fromEntries(Object.entries(metadata).toReversed()) })).toEqual(
      made,
    );
  });

  test.each([
    ['what spoke for its copy', { isProved: true }],
    ['that nothing but the size did', { isProved: false }],
    ['no word about it, as by earlier versions', {}],
  ])('the source is recorded with %s, hidden from the user, and survives a replacement', (_, proof) => {
    const recorded = { etag: '"ab-2"', versionId: 'vé', sizeBytes: 12, modifiedAtMs: 1_700_000_000_123, ...proof };
    const made = encodeMetadata({
      metadata: { a: 'b' },
      expires: 'Thu, 01 Jan 2026',
      recorded,
      upload: 'run-1',
      isFolder: true,
    });
    expect(decodeMetadata(made.entries)).toEqual({
      metadata: { a: 'b' },
      expires: 'Thu, 01 Jan 2026',
      recorded,
      upload: 'run-1',
      isFolder: true,
    });
    expect(decodeMetadata(keptEntries(made.entries))).toMatchObject({
      metadata: {},
      recorded,
      upload: 'run-1',
      isFolder: true,
    });
  });

  test('markers that somebody damaged harm nobody', () => {
    expect(
      decodeMetadata({ a_b: 'x', drover_names: 'nonsense&=&%', drover_values: 'a_b', drover_source_size: 'many' }),
    ).toMatchObject({
      metadata: { a_b: 'x' },
      recorded: null,
    });
    expect(decodeMetadata({ a: '%zz', drover_values: 'a' }).metadata).toEqual({ a: '%zz' });
  });
});

describe('tags', () => {
  test('the alphabet, the lengths and the count', () => {
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`t${String(i).padStart(2, '0')}`, 'v']));
    expect(Object.keys(holdableTags(many).tags)).toHaveLength(10);
    expect(holdableTags(many).losses).toHaveLength(2);
    const held = holdableTags({
      'a b+-.:=_/': 'ok',
      'a@b': 'x',
      ok: 'ü',
      ['k'.repeat(129)]: 'x',
      v: 'v'.repeat(257),
      empty: '',
    });
    expect(held.tags).toEqual({ 'a b+-.:=_/': 'ok', empty: '' });
    expect(held.losses).toHaveLength(4);
    expect(tagsHeader({ 'a b': 'c=d' }).header).toBe('a%20b=c%3Dd');
    expect(tagsHeader({}).header).toBeNull();
  });

  test('as a document and back', () => {
    expect(parseTags(tagsDocument({ 'a b': 'c', empty: '' }))).toEqual({ 'a b': 'c', empty: '' });
  });
});
