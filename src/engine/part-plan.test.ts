import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartLimits } from '../contract/provider.ts';
import { fits, guessPartBytes, partRange, planParts } from './part-plan.ts';
import type { PartPlan } from './part-plan.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;

const S3: PartLimits = {
  partBytesMin: 5 * MIB,
  partBytesMax: 5 * GIB,
  partsMax: 10_000,
  objectBytesMax: 50_000_000_000_000,
  equalParts: false,
};
const AZURE: PartLimits = {
  partBytesMin: 1,
  partBytesMax: 4000 * MIB,
  partsMax: 50_000,
  objectBytesMax: 50_000 * 4000 * MIB,
  equalParts: false,
};
const LOCAL: PartLimits = {
  partBytesMin: 1,
  partBytesMax: 2 ** 40,
  partsMax: 1_000_000,
  objectBytesMax: Number.MAX_SAFE_INTEGER,
  equalParts: true,
};

function planned(
  sizeBytes: number,
  limits: PartLimits,
  wish = { memoryBytes: 64 * MIB } as Parameters<typeof planParts>[2],
): PartPlan {
  const plan = planParts(sizeBytes, limits, wish);
  if ('impossible' in plan) throw new Error(plan.impossible);
  return plan;
}

describe('planParts', () => {
  const cases: readonly [string, number, PartLimits, Parameters<typeof planParts>[2], object][] = [
    ['usual size', GIB, S3, { memoryBytes: 64 * MIB }, { partBytes: 16 * MIB, partCount: 64 }],
    ['little memory', GIB, S3, { memoryBytes: MIB }, { partBytes: 8 * MIB, partCount: 128 }],
    [
      'grows when there would be too many parts',
      TIB,
      S3,
      { memoryBytes: 64 * MIB },
      { partBytes: 105 * MIB, partCount: 9987 },
    ],
    [
      'Azure has room for more parts',
      TIB,
      AZURE,
      { memoryBytes: 64 * MIB },
      { partBytes: 21 * MIB, partCount: 49_933 },
    ],
    ['wished size', 100 * MIB, S3, { partBytes: 7_000_000, memoryBytes: 0 }, { partBytes: 7_000_000, partCount: 15 }],
    [
      'wish too small for the store',
      100 * MIB,
      S3,
      { partBytes: MIB, memoryBytes: 0 },
      { partBytes: 5 * MIB, partCount: 20 },
    ],
    [
      'wish too small for the size',
      TIB,
      S3,
      { partBytes: 8 * MIB, memoryBytes: 0 },
      { partBytes: 105 * MIB, partCount: 9987 },
    ],
    ['a single part may be small', 1000, S3, { partBytes: 1000, memoryBytes: 0 }, { partBytes: 1000, partCount: 1 }],
    ['empty', 0, S3, { memoryBytes: 0 }, { partCount: 1 }],
    ['one byte', 1, AZURE, { memoryBytes: 0 }, { partCount: 1 }],
    ['file system', TIB, LOCAL, { memoryBytes: 64 * MIB }, { partBytes: 16 * MIB, partCount: 65_536 }],
  ];
  it.each(cases)('%s', (_name, sizeBytes, limits, wish, expected) => {
    expect(planParts(sizeBytes, limits, wish)).toMatchObject({ sizeBytes, ...expected });
  });

  it('says why there is no plan', () => {
    const beyond = planParts(S3.objectBytesMax + 1, S3, { memoryBytes: MIB });
    expect(beyond).toEqual({ impossible: expect.stringContaining(String(S3.objectBytesMax)) });
    const tooMany = planParts(101, { ...S3, partBytesMin: 1, partBytesMax: 10, partsMax: 10 }, { memoryBytes: MIB });
    expect(tooMany).toHaveProperty('impossible');
    expect(
      planParts(100, { ...S3, partBytesMin: 1, partBytesMax: 10, partsMax: 10 }, { memoryBytes: MIB }),
    ).toMatchObject({ partBytes: 10, partCount: 10 });
  });

  it('covers every byte once, within all limits', () => {
    const limits = fc
      .record({
        partBytesMin: fc.integer({ min: 1, max: 64 * MIB }),
        more: fc.integer({ min: 0, max: 5 * GIB }),
        partsMax: fc.integer({ min: 1, max: 50_000 }),
        equalParts: fc.boolean(),
      })
      .map(({ partBytesMin, more, partsMax, equalParts }) => ({
        partBytesMin,
        partBytesMax: partBytesMin + more,
        partsMax,
        equalParts,
        objectBytesMax: Number.MAX_SAFE_INTEGER,
      }));
    const wish = fc.record({
      partBytes: fc.option(fc.integer({ min: 1, max: GIB })),
      memoryBytes: fc.integer({ min: 0, max: GIB }),
    });
    const size = fc.oneof(fc.integer({ min: 0, max: 64 * MIB }), fc.integer({ min: 0, max: 50 * TIB }));
    fc.assert(
      fc.property(size, limits, wish, (sizeBytes, given, wished) => {
        const plan = planParts(sizeBytes, given, wished);
        if ('impossible' in plan) {
          expect(sizeBytes).toBeGreaterThan(given.partBytesMax * given.partsMax);
          return;
        }
        const { partBytes, partCount } = plan;
        expect(partCount).toBeLessThanOrEqual(given.partsMax);
        if (partCount > 1) {
          expect(partBytes).toBeLessThanOrEqual(given.partBytesMax);
          expect(partBytes).toBeGreaterThanOrEqual(given.partBytesMin);
        }
        const last = partRange(plan, partCount - 1);
        expect(last.offset + last.lengthBytes).toBe(sizeBytes);
        expect(last.lengthBytes).toBeLessThanOrEqual(given.partBytesMax);
        if (sizeBytes > 0) expect(last.lengthBytes).toBeGreaterThan(0);
        expect(partRange(plan, partCount).lengthBytes).toBe(0);
        if (wished.partBytes !== null && fits(sizeBytes, wished.partBytes, given))
          expect(partBytes).toBe(wished.partBytes);
      }),
    );
  });

  it('lays parts end to end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 * MIB }),
        fc.integer({ min: 5 * MIB, max: 64 * MIB }),
        (sizeBytes, partBytes) => {
          const plan = planned(sizeBytes, S3, { partBytes, memoryBytes: 0 });
          let offset = 0;
          for (let index = 0; index < plan.partCount; index++) {
            const range = partRange(plan, index);
            expect(range.offset).toBe(offset);
            offset += range.lengthBytes;
          }
          expect(offset).toBe(sizeBytes);
        },
      ),
    );
  });
});

describe('guessPartBytes', () => {
  it('finds what common uploaders use', () => {
    for (const partBytes of [5, 8, 10, 15, 16, 25, 32, 50, 64, 100, 128, 256, 500, 512].map((n) => n * MIB)) {
      for (const partCount of [2, 3, 17]) {
        const sizeBytes = partBytes * (partCount - 1) + 12_345;
        expect(guessPartBytes(sizeBytes, partCount)).toContain(partBytes);
      }
    }
    expect(guessPartBytes(12_000_000, 3)).toContain(5_000_000);
  });

  it('begins with the most common', () => {
    expect(guessPartBytes(20 * MIB, 3)[0]).toBe(8 * MIB);
    expect(guessPartBytes(14 * MIB, 3)[0]).toBe(5 * MIB);
  });

  it('finds sizes that come from dividing', () => {
    expect(guessPartBytes(TIB, 10_000)).toContain(Math.ceil(TIB / 10_000));
    expect(guessPartBytes(TIB, 9987)).toContain(105 * MIB);
    expect(guessPartBytes(7, 1)).toEqual([7]);
    expect(guessPartBytes(0, 1)).toEqual([]);
  });

  it('gives only sizes that make exactly that many parts, none twice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 * TIB }), fc.integer({ min: 1, max: 10_000 }), (sizeBytes, partCount) => {
        const guesses = guessPartBytes(sizeBytes, partCount);
        expect(new Set(guesses).size).toBe(guesses.length);
        for (const partBytes of guesses) expect(Math.ceil(sizeBytes / partBytes)).toBe(partCount);
      }),
    );
  });
});
