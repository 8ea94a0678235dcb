/** Lines of JSON in independent gzip members: any tool reads them, and a torn last one costs nothing. */
import { DroverError } from '../model/errors.ts';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { ArtifactStore } from './ports.ts';

export function packLines(lines: readonly string[]): Uint8Array {
  return gzipSync(lines.length === 0 ? '' : `${lines.join('\n')}\n`, { level: 1 });
}

export function unpackLines(packed: Uint8Array): string[] {
  const text = gunzipSync(packed).toString('utf8');
  const lines = text.split('\n');
  lines.pop();
  return lines;
}

/** The lines of these chunks, in order. A named chunk that is gone is INTERNAL: it was durable once. */
export async function* readChunks(artifacts: ArtifactStore, names: readonly string[]): AsyncGenerator<string> {
  for (const name of names) {
    for (const line of await readChunk(artifacts, name)) yield line;
  }
}

export async function readChunk(artifacts: ArtifactStore, name: string): Promise<string[]> {
  const lines = await readChunkIfThere(artifacts, name);
  if (lines === null)
    throw new DroverError('INTERNAL', `The record "${name}" of this run is gone from the state folder.`);
  return lines;
}

/** `null` when it is gone: for what can be made anew. */
export async function readChunkIfThere(artifacts: ArtifactStore, name: string): Promise<string[] | null> {
  const packed = await artifacts.get(name);
  return packed === null ? null : unpackLines(packed);
}
