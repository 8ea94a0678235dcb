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
