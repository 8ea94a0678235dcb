/**
 * Keys are opaque names. Their one order is that of their unsigned UTF-8 bytes.
 *
 * A name that is not valid UTF-8 is carried in a string by mapping each undecodable byte 0x80–0xFF to the lone
 * surrogate U+DC80–U+DCFF, so that every byte sequence has exactly one string and comes back unchanged.
 */

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes of a key, undoing `keyFromBytes`. */
export function keyToBytes(key: string): Uint8Array {
  const bytes = Buffer.from(key, 'utf8');
  return hasLoneSurrogate(key) ? escapedToBytes(key) : bytes;
}

/** The string for these bytes: plain decoding where they are valid UTF-8, escaped bytes where not. */
export function keyFromBytes(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return bytesToEscaped(bytes);
  }
}

export function keyLengthBytes(key: string): number {
  return hasLoneSurrogate(key) ? keyToBytes(key).length : Buffer.byteLength(key, 'utf8');
}

/** Negative, zero or positive: the order of unsigned UTF-8 bytes. JavaScript's `<` is UTF-16 and wrong past U+FFFF. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      if (x < 0xd800 && y < 0xd800) return x - y;
      return compareTails(a, b, i);
    }
  }
  return a.length - b.length;
}

/** The least key greater than `key`. */
export function keyAfter(key: string): string {
  return `${key}\u0000`;
}

/** The least key greater than every key that starts with `prefix`; `null` when there is none. */
export function prefixEnd(prefix: string): string | null {
  const points = Array.from(prefix);
  while (points.length > 0) {
    const last = (points.pop() as string).codePointAt(0) as number;
    if (last < 0x10ffff && !(last >= 0xdc80 && last <= 0xdcff)) {
      const next = last + 1 === 0xd800 ? 0xe000 : last + 1;
      return points.join('') + String.fromCodePoint(next);
    }
  }
  return null;
}

/** True when `key` lies in `[from, to)`; `null` bounds are open. */
export function isWithin(key: string, from: string | null, to: string | null): boolean {
  return (from === null || compareKeys(key, from) >= 0) && (to === null || compareKeys(key, to) < 0);
}

/** The longest leading part of `key` that is plain ASCII: there every known listing order agrees. */
export function asciiHead(key: string): string {
  for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) > 0x7f) return key.slice(0, i);
  return key;
}

function compareTails(a: string, b: string, at: number): number {
  // Step back over a high surrogate that both share, so that whole characters are encoded.
  const start = at > 0 && isHighSurrogate(a.charCodeAt(at - 1)) ? at - 1 : at;
  return Buffer.compare(keyToBytes(a.slice(start)), keyToBytes(b.slice(start)));
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function hasLoneSurrogate(text: string): boolean {
  return !text.isWellFormed();
}

function escapedToBytes(key: string): Uint8Array {
  const pieces: Buffer[] = [];
  for (const character of key) {
    const point = character.codePointAt(0) as number;
    if (point >= 0xdc80 && point <= 0xdcff) pieces.push(Buffer.from([point - 0xdc00]));
    else pieces.push(Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(pieces);
}

function bytesToEscaped(bytes: Uint8Array): string {
  let key = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] as number);
    const piece = bytes.subarray(at, at + length);
    let decoded: string | null = null;
    if (length > 0 && piece.length === length) {
      try {
        decoded = strictDecoder.decode(piece);
      } catch {
        decoded = null;
      }
    }
    if (decoded === null) {
      key += String.fromCharCode(0xdc00 + (bytes[at] as number));
      at += 1;
    } else {
      key += decoded;
      at += length;
    }
  }
  return key;
}

function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}
