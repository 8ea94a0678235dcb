/** Content on its way out: counted always, hashed where the answer needs something to be compared with. */
import type { WriteBody } from '../../contract/provider.ts';
import { createHasher, digestOf } from '../../lib/hash.ts';
import type { Digests } from '../../model/digest.ts';
import { DroverError } from '../../model/errors.ts';

export interface CheckedBody {
  readonly content: Uint8Array | AsyncIterable<Uint8Array>;
  /** Known before anything is sent; `null` for a stream whose CRC-64 nobody told. */
  readonly crc64Before: string | null;
  /** Of what was really sent; `null` as long as the stream has not ended. */
  crc64After(): string | null;
  /** MD5 of what was sent, where an MD5 was told. */
  md5After(): string | null;
}

/**
 * The body with its CRC-64. A told MD5 is checked before the last chunk leaves: CORRUPTED. A content of another length
 * than declared is EARLY_END or EXTRA_BYTES.
 */
export function checkedBody(body: WriteBody, told: Digests, key: string): CheckedBody {
  if (body.content instanceof Uint8Array) return checkedBytes(body.content, body.sizeBytes, told, key);
  const crc64 = told.crc64nvme === undefined ? createHasher('crc64nvme') : null;
  const md5 = told.md5 === undefined ? null : createHasher('md5');
  let after: string | null = told.crc64nvme ?? null;
  let md5After: string | null = null;
  async function* hashed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let countBytes = 0;
    for await (const chunk of chunks) {
      countBytes += chunk.length;
      if (countBytes > body.sizeBytes) throw wrongLength(countBytes, body.sizeBytes, key);
      crc64?.update(chunk);
      md5?.update(chunk);
      if (countBytes === body.sizeBytes) {
        after ??= crc64?.hex() ?? null;
        md5After = md5?.hex() ?? null;
        if (md5After !== null && md5After !== told.md5) throw corrupted(key);
      }
      yield chunk;
    }
    if (countBytes < body.sizeBytes) throw wrongLength(countBytes, body.sizeBytes, key);
  }
  return {
    content: hashed(body.content),
    crc64Before: told.crc64nvme ?? null,
    crc64After: () => after,
    md5After: () => md5After,
  };
}

/** A stream that is only counted. */
export async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  sizeBytes: number,
  key: string,
): AsyncGenerator<Uint8Array> {
  let countBytes = 0;
  for await (const chunk of chunks) {
    countBytes += chunk.length;
    if (countBytes > sizeBytes) throw wrongLength(countBytes, sizeBytes, key);
    yield chunk;
  }
  if (countBytes < sizeBytes) throw wrongLength(countBytes, sizeBytes, key);
}

export function checkLength(content: Uint8Array, sizeBytes: number, key: string): void {
  if (content.length !== sizeBytes) throw wrongLength(content.length, sizeBytes, key);
}

function checkedBytes(content: Uint8Array, sizeBytes: number, told: Digests, key: string): CheckedBody {
  checkLength(content, sizeBytes, key);
  const crc64 = told.crc64nvme ?? digestOf('crc64nvme', content);
  const md5 = told.md5 === undefined ? null : digestOf('md5', content);
  if (md5 !== null && md5 !== told.md5) throw corrupted(key);
  return { content, crc64Before: crc64, crc64After: () => crc64, md5After: () => md5 };
}

function wrongLength(countBytes: number, sizeBytes: number, key: string): DroverError {
  return countBytes < sizeBytes
    ? new DroverError('EARLY_END', `"${key}": the content ended after ${countBytes} of ${sizeBytes} bytes.`, { key })
    : new DroverError('EXTRA_BYTES', `"${key}": more content came than the declared ${sizeBytes} bytes.`, { key });
}

function corrupted(key: string): DroverError {
  return new DroverError('CORRUPTED', `"${key}": the content does not have the MD5 that was told for it.`, { key });
}
