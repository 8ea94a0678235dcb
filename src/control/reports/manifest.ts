/** The manifest of a run as one file, with every leaf, so that whoever receives it can check the root. */
import { readChunk } from '../../engine/lines.ts';
import type { ArtifactStore } from '../../engine/ports.ts';
import type { SnapshotIndex } from '../../engine/snapshot.ts';
import { MANIFEST_FORMAT, type ManifestHead } from '../../lib/manifest-file.ts';
import { packedLines } from './copy-log.ts';

/** INTERNAL when a piece is gone. */
export function toManifestGz(index: SnapshotIndex, artifacts: ArtifactStore): AsyncIterable<Uint8Array> {
  return packedLines(linesOf(index, artifacts));
}

async function* linesOf({ runId, root, segments }: SnapshotIndex, artifacts: ArtifactStore): AsyncGenerator<string> {
  const head: ManifestHead = {
    format: MANIFEST_FORMAT,
    formatVersion: 1,
    runId,
    root,
    segments: segments.map((segment) => ({
      kind: segment.kind,
      root: segment.root,
      rows: segment.chunks.reduce((sum, { rowCount }) => sum + rowCount, 0),
    })),
  };
  yield `${JSON.stringify(head)}\n`;
  for (const { chunks } of segments) {
    // Exactly the text that was hashed.
    for (const { name } of chunks) yield `${(await readChunk(artifacts, name)).join('\n')}\n`;
  }
}
