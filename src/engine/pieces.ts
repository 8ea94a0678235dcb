/** The segments into which a later phase is cut: bounds that every worker finds alike, and chunks they are made of. */
import { chunkName, chunksOfKind, type Stage } from './chunks.ts';
import { CHUNK_BYTES_MAX, PIECE_BYTES_MAX, PIECES_MAX } from './limits.ts';
import { packLines } from './lines.ts';
import type { Unit } from './later.ts';
import type { ArtifactStore, Lease, NewSegment, SegmentKind, SegmentRecord } from './ports.ts';

const STAGES: readonly Stage[] = ['work1', 'work2', 'work3'];

/** What is left of the last stage depends on itself, so nobody else can help with it. */
const UNCUT: Stage = 'work3';

/**
 * The pieces that come next of a phase of which all segments so far are done; none after the last. `own`: those of this
 * kind, among them the first, which wrote down what there is to do.
 */
export function nextPieces(kind: SegmentKind, own: readonly SegmentRecord[]): NewSegment[] {
  const chunks = own.find(({ segmentId }) => segmentId === kind)?.chunks ?? [];
  for (const stage of STAGES) {
    const count = chunksOfKind(chunks, stage).length;
    if (count === 0 || own.some(({ from }) => from?.startsWith(`${stage}/`) === true)) continue;
    return cut(kind, stage, count);
  }
  return [];
}

function cut(kind: SegmentKind, stage: Stage, count: number): NewSegment[] {
  const perPiece = stage === UNCUT ? count : Math.ceil(count / PIECES_MAX);
  return Array.from({ length: Math.ceil(count / perPiece) }, (_, at) => ({
    segmentId: `${kind}-${stage}-${at}`,
    kind,
    from: placeOf(stage, at * perPiece),
    to: placeOf(stage, Math.min(count, (at + 1) * perPiece)),
  }));
}

/** Later stages sort behind earlier ones, as they are worked off. */
function placeOf(stage: Stage, chunk: number): string {
  return `${stage}/${String(chunk).padStart(8, '0')}`;
}

/** The chunks a piece is made of; `null` for the first segment of a phase, which is none. */
export function chunksOfPiece(segment: SegmentRecord, segments: readonly SegmentRecord[]): readonly string[] | null {
  const [stage, from] = segment.from?.split('/') ?? [];
  if (stage === undefined) return null;
  const first = segments.find(({ segmentId }) => segmentId === segment.kind);
  const to = segment.to?.split('/')[1];
  return chunksOfKind(first?.chunks ?? [], stage as Stage).slice(Number(from), Number(to));
}

interface Open {
  lines: string[];
  lineBytes: number;
  sizeBytes: number;
}

/** Writes units down in chunks, each the least that can become a piece. */
export class UnitWriter {
  readonly #artifacts: ArtifactStore;
  readonly #lease: Lease;
  readonly #itemsMax: number;
  readonly #open = new Map<Stage, Open>();
  readonly #names: string[] = [];

  constructor(artifacts: ArtifactStore, lease: Lease, itemsMax: number) {
    this.#artifacts = artifacts;
    this.#lease = lease;
    this.#itemsMax = itemsMax;
  }

  async add({ stage, sizeBytes, line, isFirst }: Unit): Promise<void> {
    if (isFirst === true) await this.#flush(stage);
    const open = this.#open.get(stage) ?? { lines: [], lineBytes: 0, sizeBytes: 0 };
    this.#open.set(stage, open);
    open.lines.push(line);
    open.lineBytes += line.length + 1;
    open.sizeBytes += sizeBytes;
    if (isFirst !== undefined) return;
    const isFull = open.lines.length >= this.#itemsMax || open.sizeBytes >= PIECE_BYTES_MAX;
    if (isFull || open.lineBytes >= CHUNK_BYTES_MAX) await this.#flush(stage);
  }

  /** Everything is durable; the names of the chunks in the order in which they were made. */
  async end(): Promise<readonly string[]> {
    for (const stage of STAGES) await this.#flush(stage);
    return this.#names;
  }

  async #flush(stage: Stage): Promise<void> {
    const open = this.#open.get(stage);
    if (open === undefined) return;
    this.#open.delete(stage);
    const name = chunkName(this.#lease, this.#names.length, stage);
    this.#names.push(name);
    await this.#artifacts.put(name, packLines(open.lines));
  }
}
