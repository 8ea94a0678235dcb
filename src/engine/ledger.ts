/**
 * What a segment settles, and how it becomes durable: items settle in any order, leave in the order of their keys, and
 * are committed as chunks and sums. What settles behind an item that moves for long is kept aside until it leaves.
 */
import { compareKeys } from '../model/key.ts';
import type { Counters } from '../model/outcome.ts';
import { Ahead } from './ahead.ts';
import { ChunkWriter, type Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { KeyShares } from './key-shares.ts';
import { COMMIT_EVERY_MS } from './limits.ts';
import type { Checkpoint, Lease } from './ports.ts';
import { SegmentSums } from './segment-sums.ts';
import { Window, type Slot } from './window.ts';

export interface LedgerOptions {
  /** Asked when a commit begins. */
  readonly cursors: () => Pick<Checkpoint, 'sourceCursor' | 'targetCursor'>;
  /** A commit in the background failed. */
  readonly onFailure: (error: unknown) => void;
}

export class Ledger {
  readonly #context: RunContext;
  readonly #options: LedgerOptions;
  readonly #window: Window;
  readonly #writer: ChunkWriter;
  readonly #sums: SegmentSums;
  readonly #ahead: Ahead;
  readonly #shares: KeyShares | null;
  /** Changes where the segment is cut. */
  lease: Lease;
  #committing: Promise<void> | null = null;
  #committedAtMs: number;
  #beat = 0;
  #beatAtMs: number;
  /** Lines were lost on their way to a chunk, or are not read yet: no commit may claim what they stand for. */
  #isBroken = true;

  constructor(context: RunContext, lease: Lease, options: LedgerOptions) {
    const { artifacts, clock } = context.world;
    this.#context = context;
    this.#options = options;
    this.lease = lease;
    this.#sums = new SegmentSums(lease.segment.counters, context.live.tally);
    this.#window = new Window(lease.segment.checkpoint?.settledKey ?? null);
    this.#writer = new ChunkWriter(artifacts, lease.segment.checkpoint?.nextChunk ?? 0);
    this.#ahead = new Ahead(artifacts);
    // Later phases go by other orders.
    this.#shares = lease.segment.kind === 'keys' ? new KeyShares(lease.segment.counters.items.scanned) : null;
    this.#committedAtMs = this.#beatAtMs = clock.monotonic();
  }

  /** Reads what an earlier holder left. Until then nothing can be committed. */
  async begin(): Promise<void> {
    await this.#ahead.open(this.lease.segment.checkpoint);
    // Settled already: who looks at the run sees no less of it than before.
    for (const { settled, seesTarget } of this.#ahead.left) this.#sums.settle(settled.counters, seesTarget);
    this.#isBroken = false;
  }

  get settledKey(): string | null {
    return this.#window.settledKey;
  }

  /** Items between the oldest unsettled one and the newest. */
  get size(): number {
    return this.#window.size;
  }

  /** All of the segment that is settled, committed or not. */
  get counted(): Counters {
    return this.#sums.total;
  }

  /** Everything up to here belongs to this segment, whoever goes on with it. */
  get lastLeftKey(): string | null {
    return this.#ahead.lastLeftKey;
  }

  /** Items come in the order of their keys; `seesTarget`: an object at the target belongs to it. */
  open(key: string, seesTarget = false): Slot {
    return this.#window.open(key, seesTarget);
  }

  settle(slot: Slot, settled: Settled): void {
    this.#sums.settle(settled.counters, slot.seesTarget);
    this.#put(slot, settled);
  }

  /** Settles what an earlier holder settled up to this key (`null`: all of it). True when the key itself was. */
  resume(key: string | null): boolean {
    let isKey = false;
    for (let row = this.#ahead.takeUpTo(key); row !== null; row = this.#ahead.takeUpTo(key)) {
      const slot = this.#window.open(row.key, row.seesTarget);
      slot.isAhead = true;
      this.#put(slot, row.settled);
      isKey = key !== null && compareKeys(row.key, key) === 0;
    }
    return isKey;
  }

  commitWhenDue(): void {
    if (this.#committing !== null || this.#isBroken) return;
    const nowMs = this.#context.world.clock.monotonic();
    const isDue = nowMs - this.#committedAtMs >= COMMIT_EVERY_MS && !this.#writer.isEmpty;
    const isBeat = nowMs - this.#beatAtMs >= COMMIT_EVERY_MS;
    if (!this.#writer.isFull && !isDue && !(isBeat && this.#hasWaited())) {
      if (isBeat) this.#nextBeat(nowMs);
      return;
    }
    this.#committing = this.#commit('going on')
      .catch((error: unknown) => this.#options.onFailure(error))
      .finally(() => {
        this.#committing = null;
      });
  }

  /** Until the commit under way has ended; what it failed with was told to `onFailure`. */
  async quiet(): Promise<void> {
    await this.#committing;
  }

  /** Nothing may be committed any more. */
  break(): void {
    this.#isBroken = true;
  }

  /** Everything is settled. */
  async finish(): Promise<void> {
    await this.#commit('done');
  }

  /** Keeps all that is settled, also behind what is not. */
  async save(): Promise<void> {
    this.#advance();
    await this.#committing;
    if (!this.#isBroken) await this.#commit('stopping');
  }

  /** The segment starts over: nothing of it counts. */
  takeBack(): void {
    this.#sums.takeBack();
  }

  #put(slot: Slot, settled: Settled): void {
    slot.settled = settled;
    slot.beat = this.#beat;
    this.#advance();
  }

  /** Moves settled items to the writer. */
  #advance(): void {
    for (let next = this.#window.shift(); next !== null; next = this.#window.shift()) {
      this.#writer.add(next.settled, next.seesTarget);
      this.#shares?.add(this.#window.settledKey as string, next.settled.counters);
    }
    this.commitWhenDue();
  }

  #hasWaited(): boolean {
    for (const { isAhead, beat } of this.#window.waiting()) if (!isAhead && beat < this.#beat) return true;
    return false;
  }

  #nextBeat(nowMs: number): void {
    this.#beat += 1;
    this.#beatAtMs = nowMs;
  }

  /** What settled before the last beat has waited for at least as long as lies between two commits. */
  #waitedBefore(how: 'going on' | 'stopping' | 'done'): number {
    if (how !== 'going on') return Number.POSITIVE_INFINITY;
    const nowMs = this.#context.world.clock.monotonic();
    if (nowMs - this.#beatAtMs < COMMIT_EVERY_MS) return 0;
    const beat = this.#beat;
    this.#nextBeat(nowMs);
    return beat;
  }

  async #commit(how: 'going on' | 'stopping' | 'done'): Promise<void> {
    this.#committedAtMs = this.#context.world.clock.monotonic();
    const checkpoint = { settledKey: this.#window.settledKey, ...this.#options.cursors() };
    const counted = this.#sums.total;
    const shares = this.#shares?.take() ?? [];
    try {
      // All of it is taken before anything else can settle.
      const change = this.#ahead.change(this.#window, this.lease, this.#writer.nextChunk, this.#waitedBefore(how));
      const flushing = this.#writer.flush(this.lease);
      const [{ names, counters, issues }] = await Promise.all([flushing, change.write()]);
      const ahead = change.names.length === 0 ? {} : { ahead: change.names };
      await this.#context.world.store.commit(this.lease, {
        checkpoint: { ...checkpoint, nextChunk: this.#writer.nextChunk, ...ahead },
        addChunks: names,
        addCounters: counters,
        counted,
        shares,
        addIssues: issues,
        done: how === 'done',
      });
      await change.done();
    } catch (error) {
      this.#isBroken = true;
      throw error;
    }
  }
}
