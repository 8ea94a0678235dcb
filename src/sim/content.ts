/** What an object holds: bytes, a part of something, several parts in a row, or bytes that a seed stands for. */

import type { Checksum } from './checksum.ts';
import { checksumOf } from './checksum.ts';
import type { SimBody } from './http.ts';

export interface Content {
  readonly sizeBytes: number;
  /** Fresh copies of the bytes `[offset, offset + lengthBytes)`. */
  range(offset: number, lengthBytes: number): Iterable<Uint8Array>;
  /** Most significant byte first; computed when first asked for. */
  digest(kind: Checksum): Buffer;
}

const CHUNK_BYTES = 64 * 1024;

abstract class Digesting implements Content {
  abstract readonly sizeBytes: number;
  readonly #known = new Map<Checksum, Buffer>();

  abstract range(offset: number, lengthBytes: number): Iterable<Uint8Array>;

  digest(kind: Checksum): Buffer {
    let value = this.#known.get(kind);
    if (value === undefined) {
      value = checksumOf(kind, this.range(0, this.sizeBytes));
      this.#known.set(kind, value);
    }
    return value;
  }
}

class BytesContent extends Digesting {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super();
    this.#bytes = bytes;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  *range(offset: number, lengthBytes: number): Iterable<Uint8Array> {
    for (let at = offset; at < offset + lengthBytes; at += CHUNK_BYTES) {
      yield this.#bytes.slice(at, Math.min(at + CHUNK_BYTES, offset + lengthBytes));
    }
  }
}

class SliceContent extends Digesting {
  readonly sizeBytes: number;
  readonly #base: Content;
  readonly #offset: number;

  constructor(base: Content, offset: number, sizeBytes: number) {
    super();
    this.sizeBytes = sizeBytes;
    this.#base = base;
    this.#offset = offset;
  }

  range(offset: number, lengthBytes: number): Iterable<Uint8Array> {
    return this.#base.range(this.#offset + offset, lengthBytes);
  }
}

class JoinedContent extends Digesting {
  readonly sizeBytes: number;
  readonly #parts: readonly Content[];

  constructor(parts: readonly Content[]) {
    super();
    this.#parts = parts;
    this.sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  }

  *range(offset: number, lengthBytes: number): Iterable<Uint8Array> {
    const end = offset + lengthBytes;
    let start = 0;
    for (const part of this.#parts) {
      const from = Math.max(offset, start);
      const to = Math.min(end, start + part.sizeBytes);
      if (from < to) yield* part.range(from - start, to - from);
      start += part.sizeBytes;
      if (start >= end) return;
    }
  }
}

/** Pseudo-random bytes: one block per seed, stamped with the number of the block, so that no two blocks are alike. */
class GeneratedContent extends Digesting {
  readonly sizeBytes: number;
  readonly #seed: number;
  #block: Uint8Array | null = null;

  constructor(seed: number, sizeBytes: number) {
    super();
    this.#seed = seed;
    this.sizeBytes = sizeBytes;
  }

  *range(offset: number, lengthBytes: number): Iterable<Uint8Array> {
    this.#block ??= randomBlock(this.#seed);
    const end = offset + lengthBytes;
    for (let at = offset; at < end;) {
      const number = Math.floor(at / CHUNK_BYTES);
      const start = number * CHUNK_BYTES;
      const block = Uint8Array.from(this.#block);
      new DataView(block.buffer).setUint32(0, number ^ this.#seed);
      const stop = Math.min(end, start + CHUNK_BYTES);
      yield block.subarray(at - start, stop - start);
      at = stop;
    }
  }
}

function randomBlock(seed: number): Uint8Array {
  const words = new Uint32Array(CHUNK_BYTES / 4);
  let state = (seed ^ 0x9e3779b9) >>> 0;
  for (let i = 0; i < words.length; i++) {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    words[i] = (mixed ^ (mixed >>> 14)) >>> 0;
  }
  return new Uint8Array(words.buffer);
}

export function contentOf(bytes: Uint8Array): Content {
  return new BytesContent(bytes);
}

export function slice(base: Content, offset: number, sizeBytes: number): Content {
  return offset === 0 && sizeBytes === base.sizeBytes ? base : new SliceContent(base, offset, sizeBytes);
}

export function joined(parts: readonly Content[]): Content {
  return parts.length === 1 ? parts[0]! : new JoinedContent(parts);
}

export function generated(seed: number, sizeBytes: number): Content {
  return new GeneratedContent(seed, sizeBytes);
}

export function bodyOf(content: Content, offset = 0, lengthBytes = content.sizeBytes): SimBody {
  return { sizeBytes: lengthBytes, chunks: () => content.range(offset, lengthBytes) };
}
