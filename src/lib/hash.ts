/** Digests computed by us, as streams. Everything comes out as lower-case hexadecimal, most significant byte first. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import { DroverError } from '../model/errors.ts';
import type { DigestKind } from '../model/digest.ts';
import { Crc64 } from './crc64.ts';

export interface Hasher {
  update(bytes: Uint8Array): void;
  /** The digest of everything so far. Call once, at the end. */
  hex(): string;
}

/** The kinds we can compute; the others are only compared. */
export const COMPUTABLE_DIGESTS: readonly DigestKind[] = [
  'sha512',
  'sha256',
  'sha1',
  'md5',
  'crc64nvme',
  'crc32c',
  'crc32',
];

/** INTERNAL for a kind that is not in `COMPUTABLE_DIGESTS`. */
export function createHasher(kind: DigestKind): Hasher {
  switch (kind) {
    case 'sha512':
    case 'sha256':
    case 'sha1':
    case 'md5': {
      const hash = createHash(kind);
      return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
    }
    case 'crc64nvme':
      return new Crc64();
    case 'crc32c':
      return running32(crc32c);
    case 'crc32':
      return running32(crc32);
    default:
      throw new DroverError('INTERNAL', `Drover cannot compute ${kind}.`);
  }
}

/** The hexadecimal digest of one buffer. */
export function digestOf(kind: DigestKind, bytes: Uint8Array): string {
  const hasher = createHasher(kind);
  hasher.update(bytes);
  return hasher.hex();
}

function running32(step: (bytes: Uint8Array, sum: number) => number): Hasher {
  let sum = 0;
  return {
    update: (bytes) => void (sum = step(bytes, sum)),
    hex: () => (sum >>> 0).toString(16).padStart(8, '0'),
  };
}
