import { describe, expect, test } from 'vitest';
import type { TargetTraits } from '../contract/provider.ts';
import { memory } from '../providers/memory/provider.ts';
import { refuseStorageClass } from './storage-class.ts';

const carries = (memory.manifest.target as TargetTraits).carries;
const refuse = (storageClass: string | null, change: Partial<TargetTraits['carries']> = {}) => {
  refuseStorageClass(storageClass, { carries: { ...carries, ...change } }, 'The store', 'settings.storageClass');
};

describe('a storage class that is asked for', () => {
  test('is one of the store, or none', () => {
    for (const one of [null, ...carries.storageClasses]) expect(() => refuse(one)).not.toThrow();
  });

  test.each([
    ['COLT', {}, /no storage class "COLT"; "COLD" was perhaps meant/],
    ['cold', {}, /"COLD" was perhaps meant/],
    ['GLACIER', {}, /no storage class "GLACIER"\.$/],
    ['COLT', { ownStorageClasses: true }, /"COLD" was perhaps meant/],
    ['COLD', { storageClasses: [] }, /has no storage classes/],
  ] as const)('%s with %j is refused at its field', (storageClass, change, message) => {
    expect(() => refuse(storageClass, change)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'settings.storageClass' }) as Error,
    );
    expect(() => refuse(storageClass, change)).toThrow(message);
  });

  test('may be one that only such a store has', () => {
    expect(() => refuse('BACKUPS', { ownStorageClasses: true })).not.toThrow();
  });
});
