/** Digests of the simulated services, written apart from the product's own so that an error there is not mirrored. */

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export const CHECKSUMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256', 'SHA512', 'MD5'] as const;
export type Checksum = (typeof CHECKSUMS)[number];

/** Bytes of a digest of this kind. */
export const CHECKSUM_BYTES: Readonly<Record<Checksum, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
  SHA512: 64,
  MD5: 16,
};

/** Most significant byte first. */
export function checksumOf(kind: Checksum, chunks: Iterable<Uint8Array>): Buffer {
  switch (kind) {
    case 'CRC32': {
      let value = 0;
      for (const chunk of chunks) value = crc32(chunk, value);
      return uint32(value);
    }
    case 'CRC32C':
      return uint32(crc32c(chunks));
    case 'CRC64NVME':
      return crc64nvme(chunks);
    default: {
      const hash = createHash(kind.toLowerCase());
      for (const chunk of chunks) hash.update(chunk);
      return hash.digest();
    }
  }
}

function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value >>> 0);
  return out;
}

function crc32c(chunks: Iterable<Uint8Array>): number {
  let value = -1;
  for (const chunk of chunks) {
    for (let i = 0; i < chunk.length; i++) value = CRC32C_TABLE[(value ^ chunk[i]!) & 0xff]! ^ (value >>> 8);
  }
  return ~value >>> 0;
}

const CRC32C_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** Eight tables of two halves each: eight bytes a step, so that a sample of a gigabyte is hashed in seconds. */
const CRC64_LOW = new Int32Array(8 * 256);
const CRC64_HIGH = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let value = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
  for (let k = 0; k < 8; k++) {
    CRC64_LOW[k * 256 + byte] = Number(BigInt.asIntN(32, value));
    CRC64_HIGH[k * 256 + byte] = Number(BigInt.asIntN(32, value >> 32n));
    if (k < 7) value = crc64Byte(value);
  }
}

/** One more zero byte behind what `value` stands for. */
function crc64Byte(value: bigint): bigint {
  let out = value;
  for (let bit = 0; bit < 8; bit++) out = out & 1n ? (out >> 1n) ^ 0x9a6c9329ac4bc9b5n : out >> 1n;
  return out;
}

function crc64nvme(chunks: Iterable<Uint8Array>): Buffer {
  const L = CRC64_LOW;
  const H = CRC64_HIGH;
  let low = -1;
  let high = -1;
  for (const b of chunks) {
    let i = 0;
    for (const end = b.length - 7; i < end; i += 8) {
      const x = low ^ (b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24));
      const y = high ^ (b[i + 4]! | (b[i + 5]! << 8) | (b[i + 6]! << 16) | (b[i + 7]! << 24));
      const a = 1792 + (x & 255);
      const c = 1536 + ((x >>> 8) & 255);
      const d = 1280 + ((x >>> 16) & 255);
      const e = 1024 + (x >>> 24);
      const f = 768 + (y & 255);
      const g = 512 + ((y >>> 8) & 255);
      const h = 256 + ((y >>> 16) & 255);
      const j = y >>> 24;
      low = L[a]! ^ L[c]! ^ L[d]! ^ L[e]! ^ L[f]! ^ L[g]! ^ L[h]! ^ L[j]!;
      high = H[a]! ^ H[c]! ^ H[d]! ^ H[e]! ^ H[f]! ^ H[g]! ^ H[h]! ^ H[j]!;
    }
    for (; i < b.length; i++) {
      const index = (low ^ b[i]!) & 255;
      low = ((low >>> 8) | (high << 24)) ^ L[index]!;
      high = (high >>> 8) ^ H[index]!;
    }
  }
  return Buffer.concat([uint32(~high), uint32(~low)]);
}
