/**
 * The snapshot of a settled run: every item that is at the target, in key order. It is the manifest (a leaf per row, a
 * root per segment and for the run), the base of the next run's comparison, and the quantiles for its segments.
 */
import { createHash } from 'node:crypto';
import { compareKeys, isWithin } from '../model/key.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { chunkPrefix, chunksOfKind } from './chunks.ts';
import { readChunk } from './lines.ts';
import type { SnapshotStream } from './merge.ts';
import type { ArtifactStore, RunRecord, SegmentRecord } from './ports.ts';

interface IndexedChunk {
  readonly name: string;
  readonly first: string;
  readonly last: string;
  readonly rowCount: number;
}

export interface SnapshotIndex {
  readonly runId: string;
  readonly root: string;
  readonly segments: readonly {
    readonly kind: SegmentRecord['kind'];
    readonly root: string;
    readonly chunks: readonly IndexedChunk[];
  }[];
}

const INDEX_NAME = 'snapshot.json';

/** Rows turned into objects at a time. */
const BATCH_ROWS = 500;

/** Reads every row once and hashes it. Repeating it gives the same root. INTERNAL when a chunk is gone. */
export async function indexSnapshot(
  artifacts: ArtifactStore,
  runId: string,
  segments: readonly SegmentRecord[],
): Promise<SnapshotIndex> {
  const indexed: SnapshotIndex['segments'][number][] = [];
  const runHash = createHash('sha256');
  for (const segment of inKeyOrder(segments)) {
    // It leaves no rows, and the root is made while it is still open.
    if (segment.kind === 'settle') continue;
    const segmentHash = createHash('sha256');
    const chunks: IndexedChunk[] = [];
    for (const name of chunksOfKind(segment.chunks, 'snap')) {
      const lines = await readChunk(artifacts, name);
      if (lines.length === 0) continue;
      for (const line of lines) segmentHash.update(createHash('sha256').update(line).digest());
      const first = snapshotKey(JSON.parse(lines[0] as string) as SnapshotRow, segment.kind);
      const last = snapshotKey(JSON.parse(lines.at(-1) as string) as SnapshotRow, segment.kind);
      chunks.push({ name, first, last, rowCount: lines.length });
    }
    const root = segmentHash.digest('hex');
    runHash.update(root, 'hex');
    indexed.push({ kind: segment.kind, root, chunks });
  }
  return { runId, root: runHash.digest('hex'), segments: indexed };
}

export async function storeSnapshotIndex(artifacts: ArtifactStore, index: SnapshotIndex): Promise<void> {
  await artifacts.put(chunkPrefix(index.runId) + INDEX_NAME, Buffer.from(JSON.stringify(index)));
}

export async function loadSnapshotIndex(
  artifacts: ArtifactStore,
  run: RunRecord | null,
): Promise<SnapshotIndex | null> {
  return run === null || run.manifestRoot === null ? null : readSnapshotIndex(artifacts, run.runId);
}

/** Also of a run that left no manifest. `null`: none was stored. */
export async function readSnapshotIndex(artifacts: ArtifactStore, runId: string): Promise<SnapshotIndex | null> {
  const content = await artifacts.get(chunkPrefix(runId) + INDEX_NAME);
  return content === null ? null : (JSON.parse(Buffer.from(content).toString('utf8')) as SnapshotIndex);
}

/** What earlier runs between the same two places knew. */
export interface Knowledge {
  /** The last whole transfer. */
  readonly snapshot: SnapshotIndex | null;
  /** Runs since then that took only a part, did not come to their end, or only read; newest first. */
  readonly since: readonly SnapshotIndex[];
}

/**
 * What earlier runs knew of `[from, to)`: for `keys` by source key, for `mapped` by name at the target. What was asked
 * back from an archive is among both, at its place. Of several runs the newest that knows a place speaks for it.
 */
export class SnapshotReader implements SnapshotStream {
  readonly #cursors: readonly RowCursor[];
  readonly #placeOf: (row: SnapshotRow) => string;
  /** Where the last row stood, and which run gave each key there. */
  #place: string | null = null;
  readonly #givenBy = new Map<string, string>();

  /** `order` gives the text by which names at the target were put in order. */
  constructor(
    artifacts: ArtifactStore,
    { snapshot, since }: Knowledge,
    kind: 'keys' | 'mapped',
    bounds: { readonly from: string | null; readonly to: string | null },
    order: (name: string) => string = (name) => name,
  ) {
    this.#placeOf = kind === 'keys' ? (row) => row.key : (row) => order(nameAtTarget(row));
    const indexes = snapshot === null ? since : [...since, snapshot];
    this.#cursors = indexes.flatMap((index) =>
      ([kind, 'restores'] as const)
        .filter((one) => index.segments.some((segment) => segment.kind === one && segment.chunks.length > 0))
        .map((one) => {
          const batches = rowBatches(artifacts, index, one, bounds, 'optional');
          return new RowCursor(index.runId, batches, kind === 'keys');
        }),
    );
  }

  peek(): SnapshotRow | null | undefined {
    const least = this.#least();
    return least instanceof RowCursor ? least.peek() : least;
  }

  take(): void {
    const least = this.#least();
    const row = least instanceof RowCursor ? least.peek() : null;
    if (!(least instanceof RowCursor) || !row) return;
    least.take();
    if (this.#cursors.length === 1) return;
    const place = this.#placeOf(row);
    if (place !== this.#place) this.#givenBy.clear();
    this.#place = place;
    this.#givenBy.set(row.key, least.runId);
  }

  async fill(): Promise<void> {
    for (const cursor of this.#cursors) await cursor.fill();
  }

  /** The cursor whose row comes next, the earlier one of equal rows. What a newer run has said is not repeated. */
  #least(): RowCursor | null | undefined {
    if (this.#cursors.length === 1) return this.#cursors[0];
    for (;;) {
      const least = this.#leastOfAll();
      const row = least instanceof RowCursor ? least.peek() : null;
      if (!(least instanceof RowCursor) || !row) return least;
      const givenBy = this.#placeOf(row) === this.#place ? this.#givenBy.get(row.key) : undefined;
      if (givenBy === undefined || givenBy === least.runId) return least;
      least.take();
    }
  }

  #leastOfAll(): RowCursor | null | undefined {
    let least: RowCursor | null = null;
    let place = '';
    for (const cursor of this.#cursors) {
      const row = cursor.peek();
      if (row === undefined) return undefined;
      if (row === null) continue;
      const its = this.#placeOf(row);
      if (least !== null && compareKeys(place, its) <= 0) continue;
      least = cursor;
      place = its;
    }
    return least;
  }
}

/** The rows of one kind of segment, one after the other. */
class RowCursor {
  readonly #batches: AsyncIterator<readonly SnapshotRow[]>;
  /** Rows under another name at the target are joined by that name. */
  readonly #onlyOwnNames: boolean;
  #rows: readonly SnapshotRow[] = [];
  #at = 0;
  #isEnded = false;
  readonly runId: string;

  constructor(runId: string, batches: AsyncIterator<readonly SnapshotRow[]>, onlyOwnNames: boolean) {
    this.runId = runId;
    this.#batches = batches;
    this.#onlyOwnNames = onlyOwnNames;
  }

  peek(): SnapshotRow | null | undefined {
    return this.#rows[this.#at] ?? (this.#isEnded ? null : undefined);
  }

  take(): void {
    this.#at += 1;
  }

  async fill(): Promise<void> {
    while (this.peek() === undefined) {
      const result = await this.#batches.next();
      const rows = result.done === true ? [] : result.value;
      this.#rows = this.#onlyOwnNames ? rows.filter(({ targetKey }) => targetKey === undefined) : rows;
      this.#at = 0;
      if (result.done === true) this.#isEnded = true;
    }
  }
}

/** The name under which the item of this row stands at the target. */
export function nameAtTarget(row: SnapshotRow): string {
  return row.targetKey ?? row.key;
}

/** Rows of one kind of segment, in order: of `keys` by source key, of the later ones by name at the target. */
export async function* snapshotRows(
  artifacts: ArtifactStore,
  index: SnapshotIndex | null,
  kind: SegmentRecord['kind'],
  bounds: { readonly from: string | null; readonly to: string | null },
): AsyncGenerator<SnapshotRow> {
  for await (const rows of rowBatches(artifacts, index, kind, bounds, 'needed')) yield* rows;
}

/** The same, a few hundred rows at a time: a chunk is unpacked whole, but not turned into objects whole. */
async function* rowBatches(
  artifacts: ArtifactStore,
  index: SnapshotIndex | null,
  kind: SegmentRecord['kind'],
  bounds: { readonly from: string | null; readonly to: string | null },
  need: 'needed' | 'optional',
): AsyncGenerator<readonly SnapshotRow[]> {
  for (const segment of index?.segments ?? []) {
    if (segment.kind !== kind) continue;
    for (const chunk of segment.chunks) {
      if (bounds.to !== null && compareKeys(chunk.first, bounds.to) >= 0) continue;
      if (bounds.from !== null && compareKeys(chunk.last, bounds.from) < 0) continue;
      // Evidence that is gone is only missing evidence; a manifest with a hole is none.
      const lines =
        need === 'needed' ? await readChunk(artifacts, chunk.name) : await readIfThere(artifacts, chunk.name);
      for (let at = 0; at < lines.length; at += BATCH_ROWS) {
        const rows: SnapshotRow[] = [];
        for (const line of lines.slice(at, at + BATCH_ROWS)) {
          const row = JSON.parse(line) as SnapshotRow;
          const key = snapshotKey(row, segment.kind);
          if (isWithin(key, bounds.from, bounds.to)) rows.push(row);
        }
        yield rows;
      }
    }
  }
}

async function readIfThere(artifacts: ArtifactStore, name: string): Promise<string[]> {
  try {
    return await readChunk(artifacts, name);
  } catch {
    return [];
  }
}

/** Chunks of what the last run saw by key that begin in `(after, to)`, in order. */
export function rowsBetween(index: SnapshotIndex | null, after: string, to: string | null): readonly IndexedChunk[] {
  const keys = (index?.segments ?? []).filter((segment) => segment.kind === 'keys');
  return keys
    .flatMap((segment) => segment.chunks)
    .filter(({ first }) => compareKeys(first, after) > 0 && (to === null || compareKeys(first, to) < 0));
}

/** Keys that cut what the last run saw into pieces of about equal numbers of items. */
export function quantiles(index: SnapshotIndex, pieces: number): string[] {
  const chunks = index.segments.filter((segment) => segment.kind === 'keys').flatMap((segment) => segment.chunks);
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rowCount, 0);
  const cuts: string[] = [];
  let seen = 0;
  for (const chunk of chunks) {
    if (seen >= ((cuts.length + 1) * rows) / pieces && cuts.length < pieces - 1) cuts.push(chunk.first);
    seen += chunk.rowCount;
  }
  return cuts;
}

function snapshotKey(row: SnapshotRow, kind: SegmentRecord['kind']): string {
  return kind === 'keys' ? row.key : nameAtTarget(row);
}

const KIND_ORDER: Readonly<Record<SegmentRecord['kind'], number>> = {
  keys: 0,
  mapped: 1,
  restores: 2,
  deletes: 3,
  settle: 4,
};

/** Segments as their keys follow each other; those of later phases after them. */
export function inKeyOrder(segments: readonly SegmentRecord[]): SegmentRecord[] {
  return segments.toSorted((a, b) => {
    if (a.kind !== b.kind) return KIND_ORDER[a.kind] - KIND_ORDER[b.kind];
    if (a.from === null || b.from === null) return a.from === b.from ? 0 : a.from === null ? -1 : 1;
    return compareKeys(a.from, b.from);
  });
}
