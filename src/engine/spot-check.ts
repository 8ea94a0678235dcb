/**
 * Reads some objects back from both sides and compares their bytes, of very large ones pieces at random places: proof for
 * people that does not rest on any digest a store reports about itself.
 */
import { createHash } from 'node:crypto';
import type { Source } from '../contract/provider.ts';
import type { Random } from '../lib/world.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
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
  readonly result: 'equal' | 'missing' | 'different' | 'changed' | 'unreadable';
  readonly details: string | null;
  /** Of each side; less than its size where only pieces of it were compared. */
  readonly comparedBytes: number;
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
  readonly random: Random;
}

export interface Choice {
  readonly candidates: readonly SpotCheckCandidate[];
  /** Why there are not as many as were wanted; `null` when there are. */
  readonly whyFewer: string | null;
}

export interface ReadingOptions {
  /** When the run looked at the source last; a source written to after that is `changed` where no state was kept. */
  readonly seenAtMs: number;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Of larger objects only pieces are read; left out, 1 GB. */
  readonly wholeBytesMax?: number;
}

/** One larger object would take longer than all others together. */
const WHOLE_BYTES_MAX = 1_000_000_000;
const PIECES = 16;
const PIECE_BYTES = 4 * 1024 * 1024;

/** The target is opened as a source of its place: that is how it is read back. */
export interface SpotCheckEnds {
  readonly source: Source;
  readonly target: Source;
}

/** Each is opened and read twice at once, so that small objects are not all waiting for answers. */
const AT_ONCE = 4;

/** Compares each; never throws for a single object. */
export async function* spotCheck(
  candidates: readonly SpotCheckCandidate[],
  ends: SpotCheckEnds,
  options: ReadingOptions,
): AsyncGenerator<SpotCheckRow> {
  for (let at = 0; at < candidates.length; at += AT_ONCE) {
    const batch = candidates.slice(at, at + AT_ONCE);
    yield* await Promise.all(batch.map((candidate) => compare(candidate, ends, options)));
  }
}

/** From the snapshot of a run: every object of it is as likely to be chosen as any other. */
export async function chooseFromSnapshot(
  index: SnapshotIndex,
  artifacts: ArtifactStore,
  { objects, random }: ChoiceOptions,
): Promise<Choice> {
  const total = index.segments.flatMap(({ chunks }) => chunks).reduce((sum, { rowCount }) => sum + rowCount, 0);
  const drawn = new Set<number>();
  const usable: SpotCheckCandidate[] = [];
  const passed = new PassedOver();
  // Folders and carried rows are passed over, so more is drawn than is wanted, and again until it is enough.
  for (let wanted = objects * 3; usable.length < objects && drawn.size < total; wanted *= 3) {
    for (const row of await rowsAt(index, artifacts, drawMore(drawn, Math.min(total, wanted), total, random))) {
      if (passed.isUsable(row)) {
        usable.push({ key: row.key, targetKey: nameAtTarget(row), sizeBytes: row.source.sizeBytes, state: row.source });
      }
    }
  }
  return { candidates: shuffled(usable, random).slice(0, objects), whyFewer: passed.whyFewer(usable.length, objects) };
}

/** Positions that were not drawn before, in order, until so many are drawn in all. */
function drawMore(drawn: Set<number>, wanted: number, total: number, random: Random): number[] {
  const fresh: number[] = [];
  const draw = (position: number): void => {
    if (drawn.has(position)) return;
    drawn.add(position);
    fresh.push(position);
  };
  // Where nearly all are wanted, guessing the last ones would take for ever.
  if (wanted * 2 > total) for (let position = 0; position < total; position++) draw(position);
  while (drawn.size < wanted) draw(Math.floor(random.fraction() * total));
  return fresh.toSorted((a, b) => a - b);
}

async function rowsAt(
  index: SnapshotIndex,
  artifacts: ArtifactStore,
  positions: readonly number[],
): Promise<readonly SnapshotRow[]> {
  const rows: SnapshotRow[] = [];
  let chunkStart = 0;
  let next = 0;
  for (const { name, rowCount } of index.segments.flatMap(({ chunks }) => chunks)) {
    const end = chunkStart + rowCount;
    if ((positions[next] ?? Infinity) < end) {
      const lines = await readChunk(artifacts, name);
      for (; next < positions.length && (positions[next] as number) < end; next++) {
        rows.push(JSON.parse(lines[(positions[next] as number) - chunkStart] as string) as SnapshotRow);
      }
    }
    chunkStart = end;
  }
  return rows;
}

/** What cannot be read back, counted by the reason. */
class PassedOver {
  #folders = 0;
  #carried = 0;
  #rewritten = 0;
  #hidden = 0;

  isUsable({ key, carried, hidden, verification }: SnapshotRow): boolean {
    if (key.endsWith('/')) this.#folders += 1;
    else if (carried === true) this.#carried += 1;
    else if (hidden === true) this.#hidden += 1;
    // What a provider rewrote is not meant to be equal.
    else if (verification === 'VM') this.#rewritten += 1;
    else return true;
    return false;
  }

  whyFewer(usable: number, objects: number): string | null {
    if (usable >= objects) return null;
    const others = [
      [this.#folders, 'folders'],
      [this.#carried, 'left by this run as they were'],
      [this.#rewritten, 'rewritten by the provider'],
      [this.#hidden, 'deleted at the source'],
    ] as const;
    return whyFewer(usable, others);
  }
}

function whyFewer(usable: number, others: readonly (readonly [count: number, words: string])[]): string {
  const objects = `there ${usable === 1 ? 'is 1 object' : `are ${usable} objects`} that can be read back`;
  const rest = others.filter(([count]) => count > 0).map(([count, words]) => `${count} ${words}`);
  return rest.length === 0 ? objects : `${objects}, beside ${rest.join(', ')}`;
}

/** From the item log of a run, one item after the other, in memory that does not grow with them. */
export class Drawing {
  readonly #options: ChoiceOptions;
  readonly #chosen: SpotCheckCandidate[] = [];
  #offered = 0;
  #folders = 0;
  #rewritten = 0;
  #absent = 0;
  #hidden = 0;

  constructor(options: ChoiceOptions) {
    this.#options = options;
  }

  get choice(): Choice {
    const others = [
      [this.#folders, 'folders'],
      [this.#absent, 'that are not the same at the target'],
      [this.#rewritten, 'rewritten by the provider'],
      [this.#hidden, 'deleted at the source'],
    ] as const;
    const isEnough = this.#offered >= this.#options.objects;
    return { candidates: this.#chosen, whyFewer: isEnough ? null : whyFewer(this.#offered, others) };
  }

  offer({ key, targetKey = key, sizeBytes, result, code, kind, verification }: ItemRecord): void {
    const { objects, random } = this.#options;
    if (result !== 'copied' && result !== 'same') {
      if (ABSENT.includes(result)) this.#absent += 1;
    } else if (kind !== 'object' || key.endsWith('/')) this.#folders += 1;
    else if (code === 'hidden-version') this.#hidden += 1;
    else if (verification === 'VM') this.#rewritten += 1;
    else {
      this.#offered += 1;
      const candidate = { key, targetKey, sizeBytes, state: null };
      if (this.#chosen.length < objects) this.#chosen.push(candidate);
      else {
        const place = Math.floor(random.fraction() * this.#offered);
        if (place < objects) this.#chosen[place] = candidate;
      }
    }
  }
}

/** Of the source, and not known to be at the target. */
const ABSENT: readonly ItemRecord['result'][] = ['missing', 'different', 'failed', 'unsupported', 'skipped'];

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, place: random.fraction() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

async function compare(
  { key, targetKey, sizeBytes, state }: SpotCheckCandidate,
  { source, target }: SpotCheckEnds,
  { seenAtMs, random, signal, wholeBytesMax = WHOLE_BYTES_MAX }: ReadingOptions,
): Promise<SpotCheckRow> {
  const base = { key, targetKey, sizeBytes, comparedBytes: 0 };
  try {
    const [sourceEntry, targetEntry] = await Promise.all([source.stat(key, signal), target.stat(targetKey, signal)]);
    if (sourceEntry === null) return { ...base, result: 'changed', details: 'It is no longer at the source.' };
    const isSame = state === null ? !isNewer(sourceEntry, seenAtMs) : isIn(sourceEntry, state);
    if (!isSame) return { ...base, result: 'changed', details: 'The source was written to since the run.' };
    if (targetEntry === null) return { ...base, result: 'missing', details: 'It is not at the target.' };
    if (targetEntry.sizeBytes !== sourceEntry.sizeBytes) {
      const details = `${sourceEntry.sizeBytes} bytes at the source, ${targetEntry.sizeBytes} at the target.`;
      return { ...base, result: 'different', details };
    }
    let comparedBytes = 0;
    for (const piece of piecesOf(sourceEntry.sizeBytes, wholeBytesMax, random)) {
      const [a, b] = await Promise.all([
        digestOf(source, sourceEntry, piece, signal),
        digestOf(target, targetEntry, piece, signal),
      ]);
      comparedBytes += piece.lengthBytes;
      if (a !== b) return { ...base, comparedBytes, result: 'different', details: 'The bytes differ.' };
    }
    return { ...base, comparedBytes, result: 'equal', details: null };
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (signal.aborted) throw error;
    return { ...base, result: 'unreadable', details: error.message };
  }
}

interface Piece {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** The whole, or pieces at random places that do not overlap: one within each of as many equal stretches. */
function piecesOf(sizeBytes: number, wholeBytesMax: number, random: Random): readonly Piece[] {
  if (sizeBytes <= wholeBytesMax || sizeBytes <= PIECES) return [{ offset: 0, lengthBytes: sizeBytes }];
  const stretchBytes = Math.floor(sizeBytes / PIECES);
  const lengthBytes = Math.min(PIECE_BYTES, stretchBytes);
  return Array.from({ length: PIECES }, (_, at) => {
    const from = at * stretchBytes;
    const to = at === PIECES - 1 ? sizeBytes : from + stretchBytes;
    const offset = from + Math.floor(random.fraction() * (to - from - lengthBytes + 1));
    return { offset, lengthBytes };
  });
}

function isNewer({ modifiedAtMs }: Entry, seenAtMs: number): boolean {
  return modifiedAtMs !== null && modifiedAtMs > seenAtMs;
}

function isIn({ sizeBytes, identity, modifiedAtMs }: Entry, state: StateMark): boolean {
  if (sizeBytes !== state.sizeBytes) return false;
  if (state.etag !== null && identity.etag !== null) return state.etag === identity.etag;
  return state.modifiedAtMs === null || modifiedAtMs === null || state.modifiedAtMs === modifiedAtMs;
}

/** EARLY_END where fewer bytes come than were asked for: what was not compared must not count as equal. */
async function digestOf(reader: Source, entry: Entry, piece: Piece, signal: AbortSignal): Promise<string> {
  const reading = await reader.read(entry, piece, signal);
  const hash = createHash('sha256');
  let countedBytes = 0;
  for await (const chunk of reading.body) {
    hash.update(chunk);
    countedBytes += chunk.length;
  }
  if (countedBytes !== piece.lengthBytes) {
    const words = `Only ${countedBytes} of ${piece.lengthBytes} bytes of ${JSON.stringify(entry.key)} were read back.`;
    throw new DroverError('EARLY_END', words, { key: entry.key });
  }
  return hash.digest('hex');
}
