// Digests prove that nothing was lost, so ours are checked against published values, against a slow and obvious
// implementation, and against themselves: split anywhere, and combined from pieces.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DIGEST_KINDS, type DigestKind } from '../model/digest.ts';
import { crc32cCombine, crc32Combine } from './crc32-combine.ts';
import { crc64Combine } from './crc64.ts';
import { COMPUTABLE_DIGESTS, createHasher, digestOf } from './hash.ts';

const CHECK = Buffer.from('123456789');

const ROWS: [DigestKind, string, string][] = [
  ['crc64nvme', 'ae8b14860a799888', '0000000000000000'],
  ['crc32c', 'e3069283', '00000000'],
  ['crc32', 'cbf43926', '00000000'],
  ['md5', '25f9e794323b453885f5181f1b624d0b', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['sha1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
  [
    'sha256',
    '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  ],
];
for (const [kind, ofCheck, ofNothing] of ROWS) {
  test(`${kind}: published values`, () => {
    expect(digestOf(kind, CHECK)).toBe(ofCheck);
    expect(digestOf(kind, new Uint8Array(0))).toBe(ofNothing);
  });
}

test('which kinds can be computed', () => {
  for (const kind of DIGEST_KINDS) {
    if (COMPUTABLE_DIGESTS.includes(kind)) expect(digestOf(kind, CHECK)).toMatch(/^[0-9a-f]+$/);
    else expect(() => createHasher(kind)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  }
});

/** Bit by bit, straight from the definition. */
function slowCrc(bytes: Uint8Array, bits: bigint, polynomial: bigint): string {
  const ones = (1n << bits) - 1n;
  let sum = ones;
  for (const byte of bytes) {
    sum ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) sum = sum & 1n ? (sum >> 1n) ^ polynomial : sum >> 1n;
  }
  return (sum ^ ones).toString(16).padStart(Number(bits / 4n), '0');
}

const CRCS = [
  { kind: 'crc64nvme', combine: crc64Combine, bits: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
  { kind: 'crc32c', combine: crc32cCombine, bits: 32n, polynomial: 0x82f63b78n },
  { kind: 'crc32', combine: crc32Combine, bits: 32n, polynomial: 0xedb88320n },
] as const;

const bytesUpTo = (maxLength: number) => fc.uint8Array({ maxLength, size: 'max' });

describe.each(CRCS)('$kind', ({ kind, combine, bits, polynomial }) => {
  test('agrees with the definition', () => {
    fc.assert(
      fc.property(bytesUpTo(200), (bytes) => {
        expect(digestOf(kind, bytes)).toBe(slowCrc(bytes, bits, polynomial));
      }),
    );
  });

  test('pieces combine to the whole', () => {
    fc.assert(
      fc.property(bytesUpTo(300), bytesUpTo(300), (a, b) => {
        const whole = digestOf(kind, Buffer.concat([a, b]));
        expect(combine(digestOf(kind, a), digestOf(kind, b), b.length)).toBe(whole);
      }),
    );
  });

  test('combining lengths that no test can hold agrees with combining in another order', () => {
    const hex = fc
      .bigInt({ min: 0n, max: (1n << bits) - 1n })
      .map((v) => v.toString(16).padStart(Number(bits / 4n), '0'));
    const length = fc.integer({ min: 0, max: 2 ** 46 });
    fc.assert(
      fc.property(hex, hex, hex, length, length, (a, b, c, bLength, cLength) => {
        const left = combine(combine(a, b, bLength), c, cLength);
        expect(combine(a, combine(b, c, cLength), bLength + cLength)).toBe(left);
      }),
      { numRuns: 30 },
    );
  });

  test('a sum of another width is refused', () => {
    expect(() => combine('abc', digestOf(kind, CHECK), 9)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});

test('any split gives the digest of the whole', () => {
  fc.assert(
    fc.property(fc.constantFrom(...COMPUTABLE_DIGESTS), fc.array(bytesUpTo(90), { maxLength: 6 }), (kind, pieces) => {
      const hasher = createHasher(kind);
      for (const piece of pieces) hasher.update(piece);
      expect(hasher.hex()).toBe(digestOf(kind, Buffer.concat(pieces)));
    }),
  );
});

test('content larger than the machine holds at once, and two digests at the same time', () => {
  const content = Buffer.from(Array.from({ length: 400_003 }, (_, i) => (i * 31) % 253));
  const one = createHasher('crc64nvme');
  const other = createHasher('crc64nvme');
  one.update(content.subarray(0, 131_073));
  other.update(content);
  one.update(content.subarray(131_073));
  const want = slowCrc(content, 64n, 0x9a6c9329ac4bc9b5n);
  expect([one.hex(), other.hex()]).toEqual([want, want]);
});
