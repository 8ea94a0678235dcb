/** Files are packed (gzip) exactly where their name ends with `.gz`, however a server keeps or sends them. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { DroverError } from '../../model/errors.ts';

export const isPackedName = (name: string): boolean => /\.gz$/i.test(name);

/** `out`: the name of the file it goes to; `-` for standard output, which somebody reads. CORRUPTED: it is no gzip. */
export function packedFor(
  out: string,
  content: AsyncIterable<Uint8Array>,
  isPacked: boolean,
): AsyncIterable<Uint8Array> {
  return isPackedName(out) === isPacked ? content : through(content, isPacked);
}

async function* through(content: AsyncIterable<Uint8Array>, isPacked: boolean): AsyncGenerator<Uint8Array> {
  const zlib = isPacked ? createGunzip() : createGzip();
  const piping = pipeline(Readable.from(content), zlib);
  // Its error is also that of the reading below.
  piping.catch(() => undefined);
  try {
    for await (const chunk of zlib) yield chunk as Uint8Array;
    await piping;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code?.startsWith('Z_') !== true) throw thrown;
    throw new DroverError('CORRUPTED', 'What arrived is not the packed file that the server keeps.', {
      cause: thrown,
      remedy: 'Download it again.',
    });
  } finally {
    zlib.destroy();
  }
}

/** Whatever the file is called: what begins as gzip does is unpacked. CORRUPTED: it only begins so. */
export async function* unpacked(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = content[Symbol.asyncIterator]();
  const first = await reader.next();
  if (first.done === true) return;
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield first.value as Uint8Array;
    for (let next = await reader.next(); next.done !== true; next = await reader.next()) yield next.value;
  }
  const isPacked = first.value[0] === 0x1f && first.value[1] === 0x8b;
  yield* isPacked ? through(whole(), true) : whole();
}

/** Of UTF-8. A last one without an end is one too. */
export async function* textLines(content: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  for await (const chunk of content) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() as string;
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}
