/** Bytes on their way into a file: counted, hashed from the very buffers that are handed to the system, written. */
import type { FileHandle } from 'node:fs/promises';
import type { WriteBody } from '../../contract/provider.ts';
import { COMPUTABLE_DIGESTS, createHasher } from '../../lib/hash.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import { DIGEST_KINDS, type DigestKind, type Digests } from '../../model/digest.ts';
import { DroverError } from '../../model/errors.ts';
import { shown } from './names.ts';

/** Proved of everything that is written, whatever else is asked for: it is cheap and combines over parts. */
export const DEFAULT_DIGEST = 'crc64nvme' as const;

/** Of the given digests those that can be checked here. */
export function checkableKinds(digests: Digests): DigestKind[] {
  return DIGEST_KINDS.filter((kind) => digests[kind] !== undefined && COMPUTABLE_DIGESTS.includes(kind));
}

/**
 * Writes the whole body from `offset` on. Resolves with the digests of these kinds.
 * EARLY_END and EXTRA_BYTES when it has not exactly its size.
 */
export async function pour(
  body: WriteBody,
  kinds: readonly DigestKind[],
  into: { readonly handle: FileHandle; readonly offset: number; readonly key: string },
  signal: AbortSignal,
): Promise<Digests> {
  const { handle, offset, key } = into;
  const hashers = kinds.map((kind) => ({ kind, hasher: createHasher(kind) }));
  let countedBytes = 0;
  const take = async (chunk: Uint8Array): Promise<void> => {
    throwIfCancelled(signal);
    if (countedBytes + chunk.length > body.sizeBytes) throw wrongSize('EXTRA_BYTES', key, body.sizeBytes);
    for (const { hasher } of hashers) hasher.update(chunk);
    await writeFully(handle, chunk, offset + countedBytes);
    countedBytes += chunk.length;
  };
  if (body.content instanceof Uint8Array) await take(body.content);
  else for await (const chunk of body.content) await take(chunk);
  throwIfCancelled(signal);
  if (countedBytes < body.sizeBytes) throw wrongSize('EARLY_END', key, body.sizeBytes);
  return Object.fromEntries(hashers.map(({ kind, hasher }) => [kind, hasher.hex()]));
}

/** CORRUPTED when a digest that was told beforehand is not the one of the bytes. */
export function refuseOtherDigests(told: Digests, seen: Digests, key: string): void {
  for (const kind of DIGEST_KINDS) {
    if (told[kind] === undefined || seen[kind] === undefined || told[kind] === seen[kind]) continue;
    const words = `The bytes that arrived for ${shown(key)} have the ${kind} ${seen[kind]} instead of ${told[kind]}.`;
    throw new DroverError('CORRUPTED', words, { key });
  }
}

function wrongSize(code: 'EARLY_END' | 'EXTRA_BYTES', key: string, sizeBytes: number): DroverError {
  const how = code === 'EARLY_END' ? 'ended before' : 'went on after';
  return new DroverError(code, `The content of ${shown(key)} ${how} its ${sizeBytes} bytes.`, { key });
}

async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}
