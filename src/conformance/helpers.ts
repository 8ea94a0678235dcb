/** Small things that many checks need. They fail loudly and say what they looked at. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Lister, Page, Reading, ScanRange, Target, WriteOptions, Written } from '../contract/provider.ts';
import type { DigestKind } from '../model/digest.ts';
import { NO_PROPERTIES, type Entry } from '../model/entry.ts';
import { DroverError, ERRORS, type ErrorCode } from '../model/errors.ts';
import { compareKeys } from '../model/key.ts';

export const EVERYTHING: ScanRange = { from: null, to: null, resume: null };

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes that differ everywhere, always the same for a name: shifted or mixed-up content shows. */
export function contentOf(name: string, sizeBytes: number): Uint8Array {
  const id = `${sizeBytes} ${name}`;
  const made = large.get(id) ?? generated(name, sizeBytes);
  if (sizeBytes >= LARGE_BYTES) large.set(id, made);
  return made.slice();
}

/** Making large contents takes longer than copying them. */
const LARGE_BYTES = 1_000_000;
const large = new Map<string, Uint8Array>();

function generated(name: string, sizeBytes: number): Uint8Array {
  const words = new Int32Array(Math.ceil(sizeBytes / 4));
  let state = crc32(name) | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, sizeBytes);
}

/** The bytes in chunks, as a stream that tells whether it was closed. */
export function streamOf(bytes: Uint8Array, chunkBytes = 1000): AsyncGenerator<Uint8Array> {
  return (async function* () {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.slice(at, at + chunkBytes);
  })();
}

const TRUE_DIGESTS: { readonly [K in DigestKind]?: (bytes: Uint8Array) => string } = {
  sha512: (bytes) => createHash('sha512').update(bytes).digest('hex'),
  sha256: (bytes) => createHash('sha256').update(bytes).digest('hex'),
  sha1: (bytes) => createHash('sha1').update(bytes).digest('hex'),
  md5: (bytes) => createHash('md5').update(bytes).digest('hex'),
  crc32: (bytes) => crc32(bytes).toString(16).padStart(8, '0'),
  crc32c: reflectedCrc(0x82f63b78n, 32),
  crc64nvme: reflectedCrc(0x9a6c9329ac4bc9b5n, 64),
};

/** The true digest of these bytes, computed here and nowhere else; `null` for kinds the kit cannot compute. */
export function trueDigest(kind: DigestKind, bytes: Uint8Array): string | null {
  return TRUE_DIGESTS[kind]?.(bytes) ?? null;
}

/** Byte by byte, in halves of 32 bits: the kit computes many megabytes. */
function reflectedCrc(polynomial: bigint, bits: 32 | 64): (bytes: Uint8Array) => string {
  const low = new Int32Array(256);
  const high = new Int32Array(256);
  for (let index = 0; index < 256; index++) {
    let value = BigInt(index);
    for (let bit = 0; bit < 8; bit++) value = (value & 1n) === 1n ? (value >> 1n) ^ polynomial : value >> 1n;
    low[index] = Number(BigInt.asIntN(32, value));
    high[index] = Number(BigInt.asIntN(32, value >> 32n));
  }
  const hex = (half: number): string => (~half >>> 0).toString(16).padStart(8, '0');
  return (bytes) => {
    let [a, b] = [-1, bits === 64 ? -1 : 0];
    for (const byte of bytes) {
      const index = (a ^ byte) & 0xff;
      a = ((a >>> 8) | (b << 24)) ^ (low[index] as number);
      b = (b >>> 8) ^ (high[index] as number);
    }
    return bits === 64 ? hex(b) + hex(a) : hex(a);
  };
}

/**
 * A whole listing, checked on the way: it ends with `complete`, nothing follows that, and with `order: 'bytes'`
 * every key is greater than the one before.
 */
export async function listed(
  lister: Lister & { readonly traits: { readonly order: 'bytes' | 'none' } },
  range: ScanRange,
  signal: AbortSignal,
): Promise<{ readonly pages: readonly Page[]; readonly entries: readonly Entry[] }> {
  const pages: Page[] = [];
  for await (const page of lister.scan(range, signal)) {
    assert.notEqual(pages.at(-1)?.complete, true, 'a page came after the one that was complete');
    pages.push(page);
  }
  assert.equal(pages.at(-1)?.complete, true, 'the listing stopped without a page that is complete');
  const entries = pages.flatMap((page) => page.entries);
  const seen = new Set<string>();
  let before: string | null = null;
  for (const entry of entries) {
    const id = JSON.stringify([entry.key, entry.identity.versionId]);
    assert.ok(!seen.has(id), `${JSON.stringify(entry.key)} was listed twice`);
    seen.add(id);
    if (lister.traits.order === 'bytes' && before !== null) {
      assert.ok(
        compareKeys(before, entry.key) <= 0,
        `${JSON.stringify(entry.key)} came after ${JSON.stringify(before)}`,
      );
    }
    before = entry.key;
  }
  return { pages, entries };
}

/** Keys of what is no folder: folders that exist only because of what is inside are not items. */
export function keysOf(entries: readonly Entry[]): string[] {
  return entries.filter((entry) => !entry.isImplied).map((entry) => entry.key);
}

export function inOrder(keys: readonly string[]): string[] {
  return keys.toSorted(compareKeys);
}

export async function wholeOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

export async function contentRead(reading: Reading): Promise<Uint8Array> {
  return await wholeOf(reading.body);
}

export function sameBytes(actual: Uint8Array | null, expected: Uint8Array, what: string): void {
  assert.notEqual(actual, null, `${what}: nothing is there`);
  const found = actual as Uint8Array;
  assert.equal(found.length, expected.length, `${what}: ${found.length} bytes instead of ${expected.length}`);
  if (Buffer.compare(found, expected) === 0) return;
  assert.fail(`${what}: byte ${found.findIndex((byte, index) => byte !== expected[index])} differs`);
}

/** Nothing is there. Compared by hand: assertions print contents at great length. */
export function absent(content: Uint8Array | null, what: string): void {
  assert.ok(content === null, `${what}: ${content?.length} bytes are there`);
}

/** The same names in the same order; says where they part, however many there are. */
export function sameKeys(actual: readonly string[], expected: readonly string[], what: string): void {
  const at = expected.findIndex((key, index) => actual[index] !== key);
  const where = at >= 0 ? at : expected.length;
  const isSame = at < 0 && actual.length === expected.length;
  const words = `${JSON.stringify(actual[where] ?? null)} instead of ${JSON.stringify(expected[where] ?? null)}`;
  assert.ok(isSame, `${what}: ${actual.length} keys, expected ${expected.length}; at ${where} ${words}`);
}

export function writeOptions(signal: AbortSignal, more: Partial<WriteOptions> = {}): WriteOptions {
  return {
    properties: NO_PROPERTIES,
    digests: {},
    expect: { kind: 'any' },
    modifiedAtMs: null,
    recorded: null,
    storageClass: null,
    kind: 'object',
    signal,
    ...more,
  };
}

export async function written(
  target: Target,
  key: string,
  content: Uint8Array,
  signal: AbortSignal,
  more: Partial<WriteOptions> = {},
): Promise<Written> {
  return await target.write(key, { sizeBytes: content.length, content }, writeOptions(signal, more));
}

/** What the work fails with. Fails itself when the work succeeds or throws anything but a DroverError. */
export async function failureOf(work: Promise<unknown> | (() => Promise<unknown>), what: string): Promise<DroverError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (thrown) {
    if (thrown instanceof DroverError) return thrown;
    throw new assert.AssertionError({ message: `${what}: threw ${String(thrown)} instead of a DroverError` });
  }
  throw new assert.AssertionError({ message: `${what}: succeeded, but had to fail` });
}

export async function failsWith(
  codes: ErrorCode | readonly ErrorCode[],
  work: Promise<unknown> | (() => Promise<unknown>),
  what: string,
): Promise<DroverError> {
  const error = await failureOf(work, what);
  const wanted = typeof codes === 'string' ? [codes] : codes;
  assert.ok(wanted.includes(error.code), `${what}: ${error.code} (${error.message}) instead of ${wanted.join(' or ')}`);
  assert.ok(error.message.length > 10, `${what}: the message says too little: ${error.message}`);
  return error;
}

/** A disturbance has to end in an error that may be tried again. */
export function mayBeRetried(error: DroverError, what: string): void {
  assert.notEqual(ERRORS[error.code].retry, 'never', `${what}: ${error.code} (${error.message}) may never be retried`);
}
