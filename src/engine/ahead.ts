/**
 * Items that settled while an earlier one still moves. They cannot join the chunks of their segment, which are in key
 * order; so they are kept in chunks of their own, which the checkpoint names, and whoever goes on with the segment takes
 * them as settled. Their number is bounded by the window's.
 */
import { compareKeys } from '../model/key.ts';
import { chunkName, type Settled } from './chunks.ts';
import { AHEAD_CHUNKS_MAX } from './limits.ts';
import { packLines, readChunkIfThere } from './lines.ts';
import type { ArtifactStore, Checkpoint, Lease } from './ports.ts';
import type { Window } from './window.ts';

export interface AheadRow {
  readonly key: string;
  readonly seesTarget: boolean;
  readonly settled: Settled;
}

interface AheadChunk {
  readonly name: string;
  readonly lastKey: string;
}

/** What a commit does to the chunks: it is true of them once `done` was called. */
export interface AheadChange {
  /** For the checkpoint. */
  readonly names: readonly string[];
  /** Makes the new one durable. */
  write(): Promise<void>;
  /** The commit was accepted: what it does not name any more goes. */
  done(): Promise<void>;
}

export class Ahead {
  readonly #artifacts: ArtifactStore;
  #chunks: AheadChunk[] = [];
  /** What an earlier holder left, in key order; of those before `#at` the window has its slots. */
  #left: AheadRow[] = [];
  #at = 0;

  constructor(artifacts: ArtifactStore) {
    this.#artifacts = artifacts;
  }

  /** What stood in a chunk that is gone is not settled: it will be looked at again. */
  async open(checkpoint: Checkpoint | null): Promise<void> {
    const settledKey = checkpoint?.settledKey ?? null;
    for (const name of checkpoint?.ahead ?? []) {
      // Chunks are removed as soon as no commit names them; a restored database remembers older commits.
      const lines = (await readChunkIfThere(this.#artifacts, name)) ?? [];
      const rows = lines.map((line) => JSON.parse(line) as AheadRow);
      const rest = rows.filter(({ key }) => settledKey === null || compareKeys(key, settledKey) > 0);
      const last = rest.at(-1);
      if (last === undefined) continue;
      this.#chunks.push({ name, lastKey: last.key });
      this.#left.push(...rest);
    }
    this.#left.sort((a, b) => compareKeys(a.key, b.key));
  }

  /** What an earlier holder left. */
  get left(): readonly AheadRow[] {
    return this.#left;
  }

  /** The last key of it. */
  get lastLeftKey(): string | null {
    return this.#left.at(-1)?.key ?? null;
  }

  /** The next of what an earlier holder left, up to this key (`null`: whichever), or `null`. */
  takeUpTo(key: string | null): AheadRow | null {
    const row = this.#left[this.#at];
    if (row === undefined || (key !== null && compareKeys(row.key, key) > 0)) return null;
    this.#at += 1;
    return row;
  }

  /**
   * Puts down what settled before this beat, and is not yet. Taken from the window at once; `number` is one that no
   * chunk of this lease has.
   */
  change(window: Window, lease: Lease, number: number, beforeBeat: number): AheadChange {
    const { settledKey } = window;
    const isOpen = ({ lastKey }: AheadChunk): boolean => settledKey === null || compareKeys(lastKey, settledKey) > 0;
    const before = this.#chunks;
    let chunks = before.filter(isOpen);
    let due = [...window.waiting()].filter(({ isAhead, beat }) => !isAhead && beat < beforeBeat);
    let rows: AheadRow[] = due;
    if (due.length > 0 && chunks.length >= AHEAD_CHUNKS_MAX) {
      due = [...window.waiting()];
      rows = [...due, ...this.#left.slice(this.#at)];
      chunks = [];
    }
    for (const slot of due) slot.isAhead = true;
    const last = rows.at(-1);
    const name = chunkName(lease, number, 'ahead');
    if (last !== undefined) chunks = [...chunks, { name, lastKey: last.key }];
    this.#chunks = chunks;
    const lines = rows.map(({ key, seesTarget, settled }) => JSON.stringify({ key, seesTarget, settled }));
    const dropped = before.filter((chunk) => !chunks.includes(chunk));
    return {
      names: chunks.map((chunk) => chunk.name),
      write: async () => (lines.length === 0 ? undefined : this.#artifacts.put(name, packLines(lines))),
      done: async () => {
        // Nobody reads it any more; what cannot be removed goes with the run's other records.
        for (const chunk of dropped) await this.#artifacts.removeAll(chunk.name).catch(() => undefined);
      },
    };
  }
}
