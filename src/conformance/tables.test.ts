/** What the checks rest on: names of checks, hard names, rules of names, true digests, the matrix. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryHarness } from '../../test/memory-harness.ts';
import { ALL_NAMES } from '../model/names.ts';
import { checksOf } from './checks.ts';
import { HARD_NAME_TITLES, hardNames } from './hard-names.ts';
import { nameOf } from './harness.ts';
import { bytesOf, trueDigest } from './helpers.ts';
import { writeMatrix } from './matrix.ts';
import { canHold } from './name-rules.ts';

describe('the kit itself', () => {
  test('every check has a name of its own', () => {
    const names = checksOf(memoryHarness({})).map(nameOf);
    expect(new Set(names).size).toBe(names.length);
  });

  test('hard names: at least 60, all different, the long ones of exactly the length they claim', () => {
    expect(HARD_NAME_TITLES.length).toBeGreaterThanOrEqual(60);
    expect(new Set(HARD_NAME_TITLES).size).toBe(HARD_NAME_TITLES.length);
    for (const prefix of ['', 'p/', 'ä very long prefix/of/some parts/']) {
      const names = new Map(hardNames(prefix).map(({ title, key }) => [title, key]));
      expect(new Set(names.values()).size).toBe(names.size);
      const lengthOf = (title: string): number => Buffer.byteLength(prefix + names.get(title));
      expect(lengthOf('a key of 1,024 bytes')).toBe(1024);
      expect(lengthOf('a key of 1,024 bytes of several-byte characters')).toBe(1024);
      expect(lengthOf('a key of 1,025 bytes')).toBe(1025);
      expect(names.get('a key of 1,024 bytes')).not.toMatch(/\/$|\/\//);
    }
  });

  test.each([
    [{ emptySegments: false }, 'a//b', 'a/b'],
    [{ dotSegments: false }, 'a/../b', 'a/..b/b'],
    [{ trailingDot: false }, 'a./b', '.a/b'],
    [{ trailingSpace: false }, 'a /b', ' a/b'],
    [{ trailingSlashContent: false }, 'a/', 'a'],
    [{ invalidUtf8: false }, 'a\udc80', 'aé'],
    [{ keyBytesMax: 3 }, 'éé', 'éa'],
    [{ keyCharactersMax: 2 }, '😀😀😀', '😀😀'],
    [{ segmentBytesMax: 2 }, 'a/bbb', 'aa/bb'],
    [{ segmentsMax: 2 }, 'a/b/c', 'a/b'],
    [{ forbidden: [{ from: 10, to: 10 }] }, 'a\nb', 'a\tb'],
  ])('name rules %j refuse %j and hold %j', (rules, refused, held) => {
    expect(canHold({ ...ALL_NAMES, ...rules }, refused)).toBe(false);
    expect(canHold({ ...ALL_NAMES, ...rules }, held)).toBe(true);
    expect(canHold(ALL_NAMES, refused)).toBe(true);
  });

  test('computes true digests by published check values', () => {
    const check = bytesOf('123456789');
    expect(trueDigest('crc32', check)).toBe('cbf43926');
    expect(trueDigest('crc32c', check)).toBe('e3069283');
    expect(trueDigest('crc64nvme', check)).toBe('ae8b14860a799888');
    expect(trueDigest('md5', check)).toBe('25f9e794323b453885f5181f1b624d0b');
    expect(trueDigest('xxhash64', check)).toBeNull();
  });

  test('writes the matrix', () => {
    const folder = mkdtempSync(join(tmpdir(), 'drover-kit-'));
    try {
      const harness = { ...memoryHarness({}), name: 'memory: a Test', matrixFolder: folder };
      const row = { suite: 'a', name: 'b', pass: 'plain', result: 'pass', reason: null } as const;
      writeMatrix(harness, [row]);
      const matrix: unknown = JSON.parse(readFileSync(join(folder, 'memory-a-test.json'), 'utf8'));
      expect(matrix).toMatchObject({ name: 'memory: a Test', provider: 'memory', level: 'faked', rows: [row] });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
