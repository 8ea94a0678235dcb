import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIGEST_STRENGTH } from '../model/digest.ts';
import { verify } from './verification.ts';
import type { Proofs } from './verification.ts';

const proofs = (given: Partial<Proofs>): Proofs => ({
  sizeBytes: 10,
  countedBytes: 10,
  committedSizeBytes: 10,
  sourceDigests: {},
  sourceComposite: null,
  computed: {},
  proved: {},
  provedComposite: null,
  ...given,
});

const composite = (value: string, partCount = 2, kind: 'md5' | 'sha256' = 'md5') => ({ kind, value, partCount });
const is = (name: string, leg: string | null = null) => ({ class: name, leg });

describe('verify', () => {
  const cases: readonly [string, Partial<Proofs>, object][] = [
    ['nothing known', {}, is('V0')],
    ['SHA-256 of both', { sourceDigests: { sha256: 'a' }, proved: { sha256: 'a' } }, is('V3')],
    ['SHA-512 of both', { sourceDigests: { sha512: 'a' }, proved: { sha512: 'a' } }, is('V3')],
    ['CRC64 of both', { sourceDigests: { crc64nvme: 'a' }, proved: { crc64nvme: 'a' } }, is('V2')],
    ['CRC32C of both', { sourceDigests: { crc32c: 'a' }, proved: { crc32c: 'a' } }, is('V2')],
    ['CRC32 of both', { sourceDigests: { crc32: 'a' }, proved: { crc32: 'a' } }, is('V2')],
    ['MD5 of both', { sourceDigests: { md5: 'a' }, proved: { md5: 'a' } }, is('V1')],
    ['SHA-1 of both', { sourceDigests: { sha1: 'a' }, proved: { sha1: 'a' } }, is('V1')],
    ['the strongest counts', { sourceDigests: { md5: 'm', crc32: 'c' }, proved: { md5: 'm', crc32: 'c' } }, is('V2')],
    ['equal multipart ETags', { sourceComposite: composite('a'), provedComposite: composite('a') }, is('V1')],
    [
      'equal composites of SHA-256',
      { sourceComposite: composite('a', 2, 'sha256'), provedComposite: composite('a', 2, 'sha256') },
      is('V3'),
    ],
    ['unequal ETags, cut elsewhere', { sourceComposite: composite('a'), provedComposite: composite('b') }, is('V0')],
    [
      'composites of other kinds',
      { sourceComposite: composite('a'), provedComposite: composite('a', 2, 'sha256') },
      is('V0'),
    ],
    // Two legs.
    [
      'both legs, other kinds',
      { sourceDigests: { md5: 'm' }, computed: { md5: 'm', crc64nvme: 'c' }, proved: { crc64nvme: 'c' } },
      is('V1'),
    ],
    [
      'both legs, the weaker counts',
      { sourceDigests: { sha256: 's' }, computed: { sha256: 's', crc32: 'c' }, proved: { crc32: 'c' } },
      is('V2'),
    ],
    [
      'direct proof beats the chain',
      { sourceDigests: { sha256: 's', md5: 'm' }, computed: { md5: 'm' }, proved: { sha256: 's', md5: 'm' } },
      is('V3'),
    ],
    [
      'composed from the source parts, other proof at the target',
      {
        sourceComposite: composite('e'),
        computedComposite: composite('e'),
        computed: { crc64nvme: 'c' },
        proved: { crc64nvme: 'c' },
      },
      is('V1'),
    ],
    [
      'source digest computed, target proves the parts',
      {
        sourceDigests: { md5: 'm' },
        computed: { md5: 'm' },
        computedComposite: composite('e'),
        provedComposite: composite('e'),
      },
      is('V1'),
    ],
    [
      'a wrong guess of the source parts: the target still proves what was received',
      { sourceComposite: composite('e'), computedComposite: composite('o'), provedComposite: composite('o') },
      is('V1', 'target'),
    ],
    [
      'a right guess of the source parts',
      { sourceComposite: composite('e'), computedComposite: composite('e'), provedComposite: composite('e') },
      is('V1'),
    ],
    ['only the target leg, CRC', { computed: { crc64nvme: 'c' }, proved: { crc64nvme: 'c' } }, is('V1', 'target')],
    ['only the target leg, SHA-256', { computed: { sha256: 'c' }, proved: { sha256: 'c' } }, is('V1', 'target')],
    [
      'only the target leg, by parts',
      { computedComposite: composite('e'), provedComposite: composite('e') },
      is('V1', 'target'),
    ],
    ['only the source leg', { sourceDigests: { md5: 'm' }, computed: { md5: 'm' } }, is('V0')],
    ['target proved what nobody knows', { sourceDigests: { md5: 'm' }, proved: { crc32: 'c' } }, is('V0')],
    [
      'source digest of another kind than computed and proved',
      { sourceDigests: { md5: 'm' }, computed: { crc32: 'c' }, proved: { crc32: 'c' } },
      is('V1', 'target'),
    ],
    ['no bytes', { sizeBytes: 0, countedBytes: 0, committedSizeBytes: 0 }, is('V3')],
    // Mismatches.
    ['fewer bytes passed', { countedBytes: 9 }, { mismatch: expect.stringContaining('9') }],
    ['more bytes passed', { countedBytes: 11 }, { mismatch: expect.stringContaining('11') }],
    ['fewer bytes arrived', { committedSizeBytes: 8 }, { mismatch: expect.stringContaining('8') }],
    [
      'empty at the target',
      { committedSizeBytes: 0, sourceDigests: { md5: 'm' }, proved: { md5: 'm' } },
      { mismatch: expect.any(String) },
    ],
    [
      'source and target differ',
      { sourceDigests: { md5: 'a' }, proved: { md5: 'b' } },
      { mismatch: expect.stringContaining('md5') },
    ],
    [
      'source and computed differ',
      { sourceDigests: { crc32: 'a' }, computed: { crc32: 'b' } },
      { mismatch: expect.stringContaining('crc32') },
    ],
    [
      'computed and target differ',
      { computed: { sha256: 'a' }, proved: { sha256: 'b' } },
      { mismatch: expect.stringContaining('sha256') },
    ],
    [
      'a weak kind differs though a strong one is equal',
      { sourceDigests: { sha256: 's', crc32: 'a' }, proved: { sha256: 's', crc32: 'b' } },
      { mismatch: expect.stringContaining('crc32') },
    ],
    [
      'no bytes, yet another digest',
      { sizeBytes: 0, countedBytes: 0, committedSizeBytes: 0, sourceDigests: { md5: 'a' }, proved: { md5: 'b' } },
      { mismatch: expect.any(String) },
    ],
    [
      'cut alike, other ETag',
      { sameParts: true, sourceComposite: composite('a'), provedComposite: composite('b') },
      { mismatch: expect.stringContaining('a-2') },
    ],
    [
      'cut alike, other digest over the parts received',
      { sameParts: true, sourceComposite: composite('a'), computedComposite: composite('b') },
      { mismatch: expect.stringContaining('b-2') },
    ],
  ];
  it.each(cases)('%s', (_name, given, expected) => {
    expect(verify(proofs(given))).toEqual(expected);
  });

  const digests = fc.dictionary(
    fc.constantFrom(...(Object.keys(DIGEST_STRENGTH) as 'md5'[])),
    fc.constantFrom('1', '2'),
  );

  it('never accepts a contradiction, and never claims more than the strongest digest that both know', () => {
    fc.assert(
      fc.property(digests, digests, digests, (sourceDigests, computed, proved) => {
        const verdict = verify(proofs({ sourceDigests, computed, proved }));
        const kinds = Object.keys(DIGEST_STRENGTH) as 'md5'[];
        const isContradicted = kinds.some((kind) => {
          const known = [sourceDigests[kind], computed[kind], proved[kind]].filter((value) => value !== undefined);
          return new Set(known).size > 1;
        });
        expect('mismatch' in verdict).toBe(isContradicted);
        if ('mismatch' in verdict) return;
        if (Object.keys(proved).length === 0) expect(verdict.class).toBe('V0');
        if (Object.keys(sourceDigests).length === 0) expect(['V0', 'V1']).toContain(verdict.class);
        const strongest =
          kinds
            .filter((kind) => proved[kind] !== undefined)
            .map((kind) => DIGEST_STRENGTH[kind])
            .toSorted()
            .at(-1) ?? 'V0';
        expect(verdict.class <= strongest).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
