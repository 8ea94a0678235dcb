/**
 * Reads some objects back from both sides, whole, and compares their bytes: proof for people that does not rest on any
 * digest a store reports about itself.
 */
import { createHash } from 'node:crypto';
import type { Source } from '../contract/provider.ts';
import type { Random } from '../lib/world.ts';
import type { Entry } from '../model/entry.ts';
import { toDroverError } from '../model/errors.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { readChunk } from './lines.ts';
import type { ArtifactStore } from './ports.ts';
import { nameAtTarget, type SnapshotIndex } from './snapshot.ts';

export interface SpotCheckRow {
  readonly key: string;
  readonly targetKey: string;
  readonly sizeBytes: number;
  /** `changed`: one side is not in the state any more in which the run left it, so there is nothing to compare. */
  readonly result: 'equal' | 'different' | 'changed' | 'unreadable';
  readonly details: string | null;
}

export interface SpotCheckOptions {
  /** How many objects; all of them when there are fewer. */
  readonly objects: number;
  /** Larger ones are not chosen. */
  readonly sizeBytesMax: number;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** The target is opened as a source of its place: that is how it is read back. */
export interface SpotCheckEnds {
  readonly source: Source;
  readonly target: Source;
}

/** Every object of the run is as likely to be chosen as any other. Never throws for a single object. */
export async function* spotCheck(
  index: SnapshotIndex,
  artifacts: ArtifactStore,
  ends: SpotCheckEnds,
  options: SpotCheckOptions,
): AsyncGenerator<SpotCheckRow> {
  for (const row of await chosenRows(index, artifacts, options)) yield await compare(row, ends, options.signal);
}

async function chosenRows(
  index: SnapshotIndex,
  artifacts: ArtifactStore,
  { objects, sizeBytesMax, random }: SpotCheckOptions,
): Promise<SnapshotRow[]> {
  const chunks = index.segments.flatMap((segment) => segment.chunks);
  const total = chunks.reduce((sum, { rowCount }) => sum + rowCount, 0);
  const positions = new Set<number>();
  // Folders, large and carried rows are passed over, so more is drawn than is wanted.
  const drawn = Math.min(total, objects * 3);
  while (positions.size < drawn) positions.add(Math.floor(random.fraction() * total));
  const sorted = [...positions].toSorted((a, b) => a - b);
  const rows: SnapshotRow[] = [];
  let chunkStart = 0;
  for (const { name, rowCount } of chunks) {
    const wanted = sorted.filter((position) => position >= chunkStart && position < chunkStart + rowCount);
    if (wanted.length > 0) {
      const lines = await readChunk(artifacts, name);
      for (const position of wanted) rows.push(JSON.parse(lines[position - chunkStart] as string) as SnapshotRow);
    }
    chunkStart += rowCount;
  }
  const usable = rows.filter(
    ({ key, carried, source }) => carried !== true && !key.endsWith('/') && source.sizeBytes <= sizeBytesMax,
  );
  return shuffled(usable, random).slice(0, objects);
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, place: random.fraction() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

async function compare(
  row: SnapshotRow,
  { source, target }: SpotCheckEnds,
  signal: AbortSignal,
): Promise<SpotCheckRow> {
  const targetKey = nameAtTarget(row);
  const base = { key: row.key, targetKey, sizeBytes: row.source.sizeBytes };
  try {
    const [sourceEntry, targetEntry] = await Promise.all([
      source.stat(row.key, signal),
      target.stat(targetKey, signal),
    ]);
    if (sourceEntry === null || !isIn(sourceEntry, row.source)) {
      return { ...base, result: 'changed', details: 'The source was written to since the run.' };
    }
    if (targetEntry === null) return { ...base, result: 'different', details: 'It is not at the target.' };
    if (targetEntry.sizeBytes !== sourceEntry.sizeBytes) {
      const details = `${sourceEntry.sizeBytes} bytes at the source, ${targetEntry.sizeBytes} at the target.`;
      return { ...base, result: 'different', details };
    }
    const [a, b] = await Promise.all([digestOf(source, sourceEntry, signal), digestOf(target, targetEntry, signal)]);
    if (a === b) return { ...base, result: 'equal', details: null };
    return { ...base, result: 'different', details: 'The bytes differ.' };
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (signal.aborted) throw error;
    return { ...base, result: 'unreadable', details: error.message };
  }
}

function isIn(entry: Entry, state: SnapshotRow['source']): boolean {
  if (entry.sizeBytes !== state.sizeBytes) return false;
  return state.etag === null || entry.identity.etag === null || state.etag === entry.identity.etag;
}

async function digestOf(reader: Source, entry: Entry, signal: AbortSignal): Promise<string> {
  const reading = await reader.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
  const hash = createHash('sha256');
  for await (const chunk of reading.body) hash.update(chunk);
  return hash.digest('hex');
}
