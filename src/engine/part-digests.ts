/** Digests of a whole object from the digests of its parts. */
import { createHash } from 'node:crypto';
import type { PartReceipt } from '../contract/provider.ts';
import { crc32cCombine, crc32Combine } from '../lib/crc32-combine.ts';
import { crc64Combine } from '../lib/crc64.ts';
import type { CompositeDigest, DigestKind, Digests } from '../model/digest.ts';

export type PartDigests = Pick<PartReceipt, 'index' | 'sizeBytes' | 'proved'>;

/** Digests of the whole from digests of all its parts, for the kinds that can be combined. */
export function combineDigests(given: readonly PartDigests[]): Digests {
  const receipts = given.toSorted((a, b) => a.index - b.index);
  const combined: { -readonly [K in keyof Digests]: Digests[K] } = {};
  for (const [kind, combine] of COMBINERS) {
    let value: string | null = null;
    for (const receipt of receipts) {
      const part: string | undefined = receipt.proved[kind];
      if (part === undefined) {
        value = null;
        break;
      }
      value = receipt.index === 0 ? part : combine(value as string, part, receipt.sizeBytes);
    }
    if (value !== null) combined[kind] = value;
  }
  return combined;
}

const COMBINERS: readonly (readonly [DigestKind, (a: string, b: string, bLengthBytes: number) => string])[] = [
  ['crc64nvme', crc64Combine],
  ['crc32c', crc32cCombine],
  ['crc32', crc32Combine],
];

/** The digest over the digests of all parts, as S3 makes its ETag of an upload in parts. */
export function composeMd5(received: readonly PartDigests[], partCount: number): CompositeDigest | null {
  const hash = createHash('md5');
  for (const part of received.toSorted((a, b) => a.index - b.index)) {
    if (part.proved.md5 === undefined) return null;
    hash.update(part.proved.md5, 'hex');
  }
  return received.length === partCount ? { kind: 'md5', value: hash.digest('hex'), partCount } : null;
}
