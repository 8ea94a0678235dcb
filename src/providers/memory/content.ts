/** Bytes of the memory store: collecting a body exactly, digests, entity tags. Synchronous, so that runs repeat exactly. */
import { createHash } from 'node:crypto';
import type { WriteBody } from '../../contract/provider.ts';
import { COMPUTABLE_DIGESTS, digestOf } from '../../lib/hash.ts';
import { cancelled, throwIfCancelled } from '../../lib/system.ts';
import type { DigestKind, Digests } from '../../model/digest.ts';
import { DroverError } from '../../model/errors.ts';

/** Whether the store can compute and check this kind. */
export function isStoreDigest(kind: DigestKind): boolean {
  return COMPUTABLE_DIGESTS.includes(kind);
}

/** The entity tag of an object made of parts: the MD5 of its parts' MD5s, and their number. */
export function compositeMd5(parts: readonly Uint8Array[]): string {
  const outer = createHash('md5');
  for (const part of parts) outer.update(createHash('md5').update(part).digest());
  return outer.digest('hex');
}

export function concatenated(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** The whole body in a copy of its own. EARLY_END, EXTRA_BYTES, CANCELLED; the stream is closed when it ends early. */
export async function collected(body: WriteBody, key: string, signal: AbortSignal): Promise<Uint8Array> {
  if (body.content instanceof Uint8Array) {
    checkSize(body.content.length, body.sizeBytes, key, true);
    return body.content.slice();
  }
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of untilCancelled(body.content, signal)) {
    sizeBytes += piece.length;
    checkSize(sizeBytes, body.sizeBytes, key, false);
    pieces.push(piece.slice());
  }
  checkSize(sizeBytes, body.sizeBytes, key, true);
  return concatenated(pieces);
}

function checkSize(countedBytes: number, declaredBytes: number, key: string, isEnd: boolean): void {
  if (countedBytes > declaredBytes) {
    throw new DroverError('EXTRA_BYTES', `More than the declared ${declaredBytes} bytes came for "${key}".`, { key });
  }
  if (isEnd && countedBytes < declaredBytes) {
    const words = `The content of "${key}" ended after ${countedBytes} of ${declaredBytes} bytes.`;
    throw new DroverError('EARLY_END', words, { key });
  }
}

/** The stream, left as soon as the signal fires, even while the next chunk does not come. */
async function* untilCancelled<T>(stream: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  throwIfCancelled(signal);
  const iterator = stream[Symbol.asyncIterator]();
  let isDone = false;
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopped.catch(() => {});
  const stop = (): void => reject(cancelled(signal));
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), stopped]);
      if (step.done === true) {
        isDone = true;
        return;
      }
      yield step.value;
      throwIfCancelled(signal);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // Not awaited: a stream that stalls would hold the cancellation up.
    if (!isDone) void iterator.return?.()?.then(undefined, () => {});
  }
}

/** Refuses with CORRUPTED what does not have the digests it was sent with, as far as the store looks at them. */
export function checkDigests(
  bytes: Uint8Array,
  sent: Digests,
  isHonoured: (kind: DigestKind) => boolean,
  key: string,
): void {
  for (const [kind, value] of Object.entries(sent) as [DigestKind, string][]) {
    if (!isStoreDigest(kind) || !isHonoured(kind)) continue;
    if (digestOf(kind, bytes) === value) continue;
    throw new DroverError('CORRUPTED', `The ${kind} of "${key}" is not the one it was sent with.`, { key });
  }
}
