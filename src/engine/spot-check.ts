/**
 * Reads some objects back from both sides, whole, and compares their bytes: proof for people that does not rest on any
 * digest a store reports about itself.
 */
import { createHash } from 'node:crypto';
import type { Source } from '../contract/provider.ts';
import type { Random } from '../lib/world.ts';
import type { Entry } from '../model/entry.ts';
import { toDroverError } from '../model/errors.ts';
import type { ItemRecord } from '../model/outcome.ts';
import type { SnapshotRow, StateMark } from '../model/snapshot.ts';
import { readChunk } from './lines.ts';
import type { ArtifactStore } from './ports.ts';
import { nameAtTarget, type SnapshotIndex } from './snapshot.ts';

/** Objects that are read back at most. */
export const SPOT_CHECK_MAX = 10_000;

export interface SpotCheckRow {
  readonly key: string;
  readonly targetKey: string;
  readonly sizeBytes: number;
  /** `changed`: the source is not in the state any more in which the run saw it, so there is nothing to compare. */
  readonly result: 'equal' | 'different' | 'changed' | 'unreadable';
  readonly details: string | null;
}

export interface SpotCheckCandidate {
  readonly key: string;
  readonly targetKey: string;
  readonly sizeBytes: number;
  /** The source as the run saw it; `null` when only the time is known, for runs that compare and keep no snapshot. */
  readonly state: StateMark | null;
}

export interface ChoiceOptions {
  /** How many objects; all of them when there are fewer. */
  readonly objects: number;
  /** Larger ones are not chosen. */
  readonly sizeBytesMax: number;
  readonly random: Random;
}

/** The target is opened as a source of its place: that is how it is read back. */
export interface SpotCheckEnds {
  readonly source: Source;
  readonly target: Source;
}

/** Each is opened and read twice at once, so that small objects are not all waiting for answers. */
const AT_ONCE = 4;

/**
 * Compares each; never throws for a single object. `seenAtMs`: when the run looked at the source last; a source written
 * to after that is `changed` where no state was kept.
 */
export async function* spotCheck(
  candidates: readonly SpotCheckCandidate[],
  ends: SpotCheckEnds,
  { seenAtMs, signal }: { readonly seenAtMs: number; readonly signal: AbortSignal },
): AsyncGenerator<SpotCheckRow> {
  for (let at = 0; at < candidates.length; at += AT_ONCE) {
    const batch = candidates.slice(at, at + AT_ONCE);
    yield* await Promise.all(batch.map((candidate) => compare(candidate, ends, seenAtMs, signal)));
  }
}

/** From the snapshot of a run: every object of it is as likely to be chosen as any other. */
export async function chooseFromSnapshot(
  index: SnapshotIndex,
  artifacts: ArtifactStore,
  options: ChoiceOptions,
): Promise<readonly SpotCheckCandidate[]> {
  const { objects, random, sizeBytesMax } = options;
  const chunks = index.segments.flatMap((segment) => segment.chunks);
  const total = chunks.reduce((sum, { rowCount }) => sum + rowCount, 0);
  const positions = new Set<number>();
  // Folders, large and carried rows are passed over, so more is drawn than is wanted.
  const drawn = Math.min(total, objects * 3);
  while (positions.size < drawn) positions.add(Math.floor(random.fraction() * total));
  const sorted = [...positions].toSorted((a, b) => a - b);
  const rows: SnapshotRow[] = [];
  let chunkStart = 0;
  let next = 0;
  for (const { name, rowCount } of chunks) {
    const end = chunkStart + rowCount;
    if ((sorted[next] ?? Infinity) < end) {
      const lines = await readChunk(artifacts, name);
      for (; next < sorted.length && (sorted[next] as number) < end; next++) {
        rows.push(JSON.parse(lines[(sorted[next] as number) - chunkStart] as string) as SnapshotRow);
      }
    }
    chunkStart = end;
  }
  const usable = rows
    // What a provider rewrote is not meant to be equal.
    .filter(({ carried, verification }) => carried !== true && verification !== 'VM')
    .map((row) => ({ key: row.key, targetKey: nameAtTarget(row), sizeBytes: row.source.sizeBytes, state: row.source }))
    .filter((candidate) => isReadable(candidate, sizeBytesMax));
  return shuffled(usable, random).slice(0, objects);
}

/** From the item log of a run, one item after the other, in memory that does not grow with them. */
export class Drawing {
  readonly #options: ChoiceOptions;
  readonly #chosen: SpotCheckCandidate[] = [];
  #offered = 0;

  constructor(options: ChoiceOptions) {
    this.#options = options;
  }

  get chosen(): readonly SpotCheckCandidate[] {
    return this.#chosen;
  }

  offer({ key, targetKey = key, sizeBytes, result, kind, verification }: ItemRecord): void {
    const { objects, random, sizeBytesMax } = this.#options;
    if ((result !== 'copied' && result !== 'same') || kind !== 'object' || verification === 'VM') return;
    const candidate = { key, targetKey, sizeBytes, state: null };
    if (!isReadable(candidate, sizeBytesMax)) return;
    this.#offered += 1;
    if (this.#chosen.length < objects) this.#chosen.push(candidate);
    else {
      const place = Math.floor(random.fraction() * this.#offered);
      if (place < objects) this.#chosen[place] = candidate;
    }
  }
}

function isReadable({ key, sizeBytes }: SpotCheckCandidate, sizeBytesMax: number): boolean {
  return !key.endsWith('/') && sizeBytes <= sizeBytesMax;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, place: random.fraction() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

async function compare(
  { key, targetKey, sizeBytes, state }: SpotCheckCandidate,
  { source, target }: SpotCheckEnds,
  seenAtMs: number,
  signal: AbortSignal,
): Promise<SpotCheckRow> {
  const base = { key, targetKey, sizeBytes };
  try {
    const [sourceEntry, targetEntry] = await Promise.all([source.stat(key, signal), target.stat(targetKey, signal)]);
    if (sourceEntry === null) return { ...base, result: 'changed', details: 'It is no longer at the source.' };
    const isSame = state === null ? !isNewer(sourceEntry, seenAtMs) : isIn(sourceEntry, state);
    if (!isSame) return { ...base, result: 'changed', details: 'The source was written to since the run.' };
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

function isNewer({ modifiedAtMs }: Entry, seenAtMs: number): boolean {
  return modifiedAtMs !== null && modifiedAtMs > seenAtMs;
}

function isIn({ sizeBytes, identity, modifiedAtMs }: Entry, state: StateMark): boolean {
  if (sizeBytes !== state.sizeBytes) return false;
  if (state.etag !== null && identity.etag !== null) return state.etag === identity.etag;
  return state.modifiedAtMs === null || modifiedAtMs === null || state.modifiedAtMs === modifiedAtMs;
}

async function digestOf(reader: Source, entry: Entry, signal: AbortSignal): Promise<string> {
  const reading = await reader.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
  const hash = createHash('sha256');
  for await (const chunk of reading.body) hash.update(chunk);
  return hash.digest('hex');
}
