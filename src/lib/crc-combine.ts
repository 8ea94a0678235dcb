/** Sums of joined content out of the sums of its pieces: arithmetic with polynomials over GF(2), in reflected order. */
import { DroverError } from '../model/errors.ts';

/** Operators are remembered for this many lengths: parts of one upload share theirs. */
const LENGTHS_MAX = 256;

/** Hex of the sum of A followed by B. Both sums in lower-case hexadecimal, most significant byte first. */
export type Combine = (aHex: string, bHex: string, bLengthBytes: number) => string;

/** For a CRC that starts with all ones and ends inverted; `polynomial` is reflected. */
export function combiner(bits: 32 | 64, polynomial: bigint): Combine {
  const digits = bits / 4;
  const one = 1n << BigInt(bits - 1);
  /** `x^(8 * 2^k)`. */
  const powers: bigint[] = [one >> 8n];
  const operators = new Map<number, bigint>();

  function multiply(a: bigint, b: bigint): bigint {
    let product = 0n;
    let shifted = b;
    for (let bit = one; bit > 0n; bit >>= 1n) {
      if (a & bit) product ^= shifted;
      shifted = shifted & 1n ? (shifted >> 1n) ^ polynomial : shifted >> 1n;
    }
    return product;
  }

  /** `x^(8 * lengthBytes)`: what appending that many bytes does to a sum. */
  function operator(lengthBytes: number): bigint {
    const known = operators.get(lengthBytes);
    if (known !== undefined) return known;
    let result = one;
    let rest = BigInt(lengthBytes);
    for (let k = 0; rest > 0n; k++, rest >>= 1n) {
      if (k === powers.length) powers.push(multiply(powers[k - 1] as bigint, powers[k - 1] as bigint));
      if (rest & 1n) result = multiply(result, powers[k] as bigint);
    }
    if (operators.size >= LENGTHS_MAX) operators.delete(operators.keys().next().value as number);
    operators.set(lengthBytes, result);
    return result;
  }

  function sum(hex: string): bigint {
    if (hex.length !== digits || !/^[0-9a-fA-F]+$/.test(hex)) {
      throw new DroverError('INTERNAL', `"${hex}" is not a ${bits}-bit sum in hexadecimal.`);
    }
    return BigInt(`0x${hex}`);
  }

  return (aHex, bHex, bLengthBytes) => {
    const joined = multiply(operator(bLengthBytes), sum(aHex)) ^ sum(bHex);
    return joined.toString(16).padStart(digits, '0');
  };
}
