/** The three spellings of a digest on the wire, turned into each other. Drover keeps lower-case hexadecimal. */
import { DroverError } from '../model/errors.ts';

/** Lower- or upper-case hexadecimal of whole bytes to padded base64. INTERNAL when it is not hexadecimal. */
export function hexToBase64(hex: string): string {
  return bytesOfHex(hex).toString('base64');
}

/** Padded or unpadded base64 to lower-case hexadecimal. UNAVAILABLE when it is not base64: it came from a service. */
export function base64ToHex(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  // Buffer skips what it does not know, so only a round trip shows a malformed value.
  if (bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) {
    throw new DroverError('UNAVAILABLE', `The service sent a digest that is not base64: "${base64.slice(0, 100)}".`);
  }
  return bytes.toString('hex');
}

/** The same bytes in the opposite order: S3 sends CRC-64 most significant byte first, Azure least significant first. */
export function reverseHexBytes(hex: string): string {
  return Buffer.from(bytesOfHex(hex).toReversed()).toString('hex');
}

function bytesOfHex(hex: string): Buffer {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(hex)) throw new DroverError('INTERNAL', `"${hex}" is not hexadecimal.`);
  return Buffer.from(hex, 'hex');
}
