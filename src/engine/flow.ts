/** What happens to content on its way: counted, hashed, slowed down to the bandwidth rule, and never altered. */
import type { Digests, DigestKind } from '../model/digest.ts';
import { DroverError } from '../model/errors.ts';
import { createHasher } from '../lib/hash.ts';

export interface Flow {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly countedBytes: () => number;
  /** Of everything that passed; to be asked after the end, as often as wanted. */
  readonly digests: () => Digests;
}

export interface FlowOptions {
  readonly compute: readonly DigestKind[];
  readonly take: ((bytes: number) => Promise<void>) | null;
  readonly onBytes: (bytes: number) => void;
}

export function flowOf(content: AsyncIterable<Uint8Array>, options: FlowOptions): Flow {
  const hashers = options.compute.map((kind) => ({ kind, hasher: createHasher(kind) }));
  let countedBytes = 0;
  let digests: Digests | null = null;
  async function* pass(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      if (options.take !== null) await options.take(chunk.length);
      for (const { hasher } of hashers) hasher.update(chunk);
      countedBytes += chunk.length;
      options.onBytes(chunk.length);
      yield chunk;
    }
  }
  return {
    chunks: pass(),
    countedBytes: () => countedBytes,
    digests: () => (digests ??= Object.fromEntries(hashers.map(({ kind, hasher }) => [kind, hasher.hex()]))),
  };
}

/** The whole content in one buffer: exactly `sizeBytes`, else EARLY_END or EXTRA_BYTES. */
export async function collect(content: AsyncIterable<Uint8Array>, sizeBytes: number, key: string): Promise<Uint8Array> {
  let whole: Uint8Array | null = null;
  let countedBytes = 0;
  for await (const chunk of content) {
    if (countedBytes + chunk.length > sizeBytes) {
      throw new DroverError(
        'EXTRA_BYTES',
        `More than the declared ${sizeBytes} bytes came for ${JSON.stringify(key)}.`,
        { key },
      );
    }
    // Most small objects come as one chunk, which then needs no copy.
    if (countedBytes === 0 && chunk.length === sizeBytes) whole = chunk;
    else {
      whole ??= Buffer.allocUnsafe(sizeBytes);
      whole.set(chunk, countedBytes);
    }
    countedBytes += chunk.length;
  }
  if (countedBytes !== sizeBytes) {
    throw new DroverError('EARLY_END', `Only ${countedBytes} of ${sizeBytes} bytes came for ${JSON.stringify(key)}.`, {
      key,
    });
  }
  return whole ?? new Uint8Array(0);
}

/**
 * Gives back what content holds open (a connection) when nobody will read it to its end. A generator that was never
 * begun would not notice being ended, so it is begun first.
 */
export async function letGo(content: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of content) return;
  } catch {
    // It is not wanted any more, whatever became of it.
  }
}
