/** Digests as Drover keeps them: lower-case hexadecimal, most significant byte first, whatever the wire uses. */

export const DIGEST_KINDS = [
  'sha512',
  'sha256',
  'sha1',
  'md5',
  'crc64nvme',
  'crc32c',
  'crc32',
  'xxhash128',
  'xxhash3',
  'xxhash64',
] as const;

export type DigestKind = (typeof DIGEST_KINDS)[number];

/** Digests of the *whole* content. A digest over part digests is a `CompositeDigest`, never one of these. */
export type Digests = { readonly [K in DigestKind]?: string };

/**
 * A digest computed over the digests of parts: comparable only with one made over the same part boundaries.
 * `md5` is the multipart ETag of S3 (`value` = hex of the outer MD5).
 */
export interface CompositeDigest {
  readonly kind: DigestKind;
  readonly value: string;
  readonly partCount: number;
}

/** How strongly a digest proves equal bytes, strongest first; used by evidence and verification alike. */
export const DIGEST_STRENGTH: Readonly<Record<DigestKind, 'V3' | 'V2' | 'V1'>> = {
  sha512: 'V3',
  sha256: 'V3',
  sha1: 'V1',
  md5: 'V1',
  crc64nvme: 'V2',
  crc32c: 'V2',
  crc32: 'V2',
  xxhash128: 'V2',
  xxhash3: 'V2',
  xxhash64: 'V2',
};

/** The first kind both sides know, strongest first; `null` when they share none. */
export function sharedDigest(a: Digests, b: Digests): DigestKind | null {
  for (const kind of DIGEST_KINDS) if (a[kind] !== undefined && b[kind] !== undefined) return kind;
  return null;
}
