/** CRC-64/NVME: the whole-object checksum of S3, and (byte-reversed) the CRC64 of Azure Blob. */
import { combiner, type Combine } from './crc-combine.ts';
import { CRC64_POLYNOMIAL, crc64Machine, PIECE_BYTES } from './crc64-wasm.ts';

const ONES = 0xffff_ffff_ffff_ffffn;

export class Crc64 {
  private state = ONES;

  update(bytes: Uint8Array): void {
    const machine = crc64Machine();
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.length <= PIECE_BYTES ? bytes : bytes.subarray(at, at + PIECE_BYTES);
      machine.content.set(piece);
      this.state = machine.update(this.state, piece.length);
    }
  }

  hex(): string {
    return (this.state ^ ONES).toString(16).padStart(16, '0');
  }
}

/** The sum of A followed by B, from their sums and the length of B. */
export const crc64Combine: Combine = combiner(64, CRC64_POLYNOMIAL);
