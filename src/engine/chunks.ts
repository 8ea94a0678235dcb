/**
 * What a segment writes about itself. Several kinds of lines, each in its own chunks; a commit names the chunks it made
 * durable, and readers ignore all others: so log rows and counters agree by construction.
 */
import type { Expectation } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { Tally, ZERO_COUNTERS, type Counters, type ItemRecord } from '../model/outcome.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { CHUNK_BYTES_MAX } from './limits.ts';
import { packLines } from './lines.ts';
import type { ArtifactStore, Lease } from './ports.ts';

/** `log`: item records. `snap`: snapshot rows. `later`: put off to a later segment. `extra`: only at the target. */
type OwnKind = 'log' | 'snap' | 'later' | 'extra';

/**
 * What a later phase has to do, in its order, for the segments into which it is cut: those of a stage begin when all of
 * the stage before are done.
 */
export type Stage = 'work1' | 'work2' | 'work3';

/** `ahead`: settled behind an item that still moves; named by the checkpoint, until its items are in the others. */
export type ChunkKind = OwnKind | Stage | 'ahead';

/**
 * An item put off: its name must be mapped (joined by target name), or its content asked back first. `unread` is none: a
 * name of the source below which nothing may be deleted, for those that are joined by their names at the target.
 */
export interface LaterRow {
  readonly reason: 'mapped' | 'restore' | 'unread';
  readonly side: 'source' | 'target';
  readonly targetKey: string;
  readonly entry: Entry;
  /** What the target held when the restore was asked for: hours later nothing else may be replaced. */
  readonly expect?: Expectation;
  /** The newest of its key at the source is a deletion, which the target is to have too once all of it is there. */
  readonly thenHidden?: true;
  /** What the target has under the key itself, where the item gets another name: it is nobody's any more. */
  readonly inTheWay?: Entry;
}

export interface ExtraRow {
  readonly entry: Entry;
}

/** What one settled item leaves behind. */
export interface Settled {
  readonly records: readonly ItemRecord[];
  readonly rows: readonly SnapshotRow[];
  readonly later: readonly LaterRow[];
  readonly extras: readonly ExtraRow[];
  readonly counters: Counters;
}

export const NOTHING_SETTLED: Settled = { records: [], rows: [], later: [], extras: [], counters: ZERO_COUNTERS };

export function chunkPrefix(runId: string): string {
  return `runs/${runId}/`;
}

export function chunkName({ segment, epoch }: Lease, number: number, kind: ChunkKind): string {
  const name = `${String(number).padStart(8, '0')}.${kind}.ndjson.gz`;
  return `${chunkPrefix(segment.runId)}${segment.segmentId}/${epoch}/${name}`;
}

export function chunksOfKind(names: readonly string[], kind: ChunkKind): string[] {
  return names.filter((name) => name.endsWith(`.${kind}.ndjson.gz`));
}

/** Collects lines in key order and turns them into durable chunks. */
export class ChunkWriter {
  readonly #artifacts: ArtifactStore;
  #lines: Record<OwnKind, string[]> = { log: [], snap: [], later: [], extra: [] };
  #issues: ItemRecord[] = [];
  #tally = new Tally();
  #sizeBytes = 0;
  #next: number;

  constructor(artifacts: ArtifactStore, nextChunk: number) {
    this.#artifacts = artifacts;
    this.#next = nextChunk;
  }

  get isFull(): boolean {
    return this.#sizeBytes >= CHUNK_BYTES_MAX;
  }

  get isEmpty(): boolean {
    return this.#sizeBytes === 0;
  }

  get nextChunk(): number {
    return this.#next;
  }

  /** `seesTarget`: an object at the target belongs to it, which is counted too. */
  add(settled: Settled, seesTarget = false): void {
    if (seesTarget) this.#tally.sawTarget();
    for (const record of settled.records) {
      this.#push('log', record);
      if (record.result === 'failed' || record.result === 'unsupported') this.#issues.push(record);
    }
    for (const row of settled.rows) this.#push('snap', row);
    for (const row of settled.later) this.#push('later', row);
    for (const row of settled.extras) this.#push('extra', row);
    this.#tally.add(settled.counters);
  }

  /** Makes what was added durable; afterwards the writer is empty. */
  async flush(lease: Lease): Promise<{ names: string[]; counters: Counters; issues: readonly ItemRecord[] }> {
    // Taken at once: what settles while the chunks are written belongs to the next flush.
    const lines = this.#lines;
    const counters = this.#tally.total;
    const issues = this.#issues;
    const number = this.#next;
    this.#lines = { log: [], snap: [], later: [], extra: [] };
    this.#issues = [];
    this.#tally = new Tally();
    this.#sizeBytes = 0;
    this.#next += 1;
    const names: string[] = [];
    for (const kind of ['log', 'snap', 'later', 'extra'] as const) {
      if (lines[kind].length === 0) continue;
      const name = chunkName(lease, number, kind);
      await this.#artifacts.put(name, packLines(lines[kind]));
      names.push(name);
    }
    return { names, counters, issues };
  }

  #push(kind: OwnKind, row: unknown): void {
    const line = JSON.stringify(row);
    this.#lines[kind].push(line);
    this.#sizeBytes += line.length + 1;
  }
}
