/** Sums of joined content for the two 32-bit CRCs. */
import { combiner, type Combine } from './crc-combine.ts';

/** CRC-32 of zlib. */
export const crc32Combine: Combine = combiner(32, 0xedb88320n);
/** CRC-32C (Castagnoli). */
export const crc32cCombine: Combine = combiner(32, 0x82f63b78n);
