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
  /** What the content must have: where it does not, its last chunk never passes. CORRUPTED. */
  readonly expected?: { readonly sizeBytes: number } & Expected;
  readonly take: ((bytes: number) => Promise<void>) | null;
  readonly onBytes: (bytes: number) => void;
}

interface Expected {
  readonly key: string;
  readonly digests: Digests;
}

export function flowOf(content: AsyncIterable<Uint8Array>, options: FlowOptions): Flow {
  const hashers = options.compute.map((kind) => ({ kind, hasher: createHasher(kind) }));
  let countedBytes = 0;
  let digests: Digests | null = null;
  const passed = (): Digests =>
    (digests ??= Object.fromEntries(hashers.map(({ kind, hasher }) => [kind, hasher.hex()])));
  const { expected } = options;
  async function* pass(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      // After the last bytes it would be hashed into digests that were told already.
      if (chunk.length === 0) continue;
      if (expected !== undefined && countedBytes + chunk.length > expected.sizeBytes) throw tooMuch(expected);
      if (options.take !== null) await options.take(chunk.length);
      for (const { hasher } of hashers) hasher.update(chunk);
      countedBytes += chunk.length;
      options.onBytes(chunk.length);
      if (expected !== undefined && countedBytes === expected.sizeBytes) refuseOtherContent(expected, passed());
      yield chunk;
    }
  }
  return {
    chunks: pass(),
    countedBytes: () => countedBytes,
    digests: passed,
  };
}

/** CORRUPTED where the bytes that came do not have the digests that were told for them. */
export function refuseOtherContent({ key, digests }: Expected, computed: Digests): void {
  for (const [kind, value] of Object.entries(computed)) {
    const told = digests[kind as DigestKind];
    if (told === undefined || told === value) continue;
    const words = `The ${kind} of the bytes that came for ${JSON.stringify(key)} is not the source's.`;
    throw new DroverError('CORRUPTED', words, { key });
  }
}

function tooMuch({ key, sizeBytes }: { readonly key: string; readonly sizeBytes: number }): DroverError {
  const words = `More than the declared ${sizeBytes} bytes came for ${JSON.stringify(key)}.`;
  return new DroverError('EXTRA_BYTES', words, { key });
}

/** The whole content in one buffer: exactly `sizeBytes`, else EARLY_END or EXTRA_BYTES. */
export async function collect(content: AsyncIterable<Uint8Array>, sizeBytes: number, key: string): Promise<Uint8Array> {
  let whole: Uint8Array | null = null;
  let countedBytes = 0;
  for await (const chunk of content) {
    if (countedBytes + chunk.length > sizeBytes) {
      throw tooMuch({ key, sizeBytes });
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
