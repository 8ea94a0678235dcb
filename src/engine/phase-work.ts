/** Works on one leased segment of a later phase: its steps are known, go several at once, and settle in their order. */
import { compareKeys } from '../model/key.ts';
import type { Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import type { SegmentProgress } from './definition.ts';
import { Gate } from './lanes.ts';
import type { Step } from './later.ts';
import { Ledger } from './ledger.ts';
import { WINDOW_ITEMS_MAX } from './limits.ts';
import type { Lease } from './ports.ts';
import { Unrecorded } from './unrecorded.ts';
import type { Slot } from './window.ts';

export class PhaseWork {
  readonly #context: RunContext;
  readonly #lease: Lease;
  readonly #ledger: Ledger;
  readonly #gate: Gate;
  readonly #unrecorded: Unrecorded;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(context: RunContext, lease: Lease, atOnce: number) {
    this.#context = context;
    this.#lease = lease;
    this.#gate = new Gate(atOnce);
    this.#unrecorded = new Unrecorded(context, lease);
    this.#ledger = new Ledger(context, lease, {
      cursors: () => ({ sourceCursor: null, targetCursor: null }),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** The same steps in the same order each time; those that are settled are passed over. */
  async run(steps: AsyncIterable<Step>): Promise<void> {
    const { live, signal } = this.#context;
    const { settledKey } = this.#ledger;
    live.segments.add(this);
    try {
      await this.#ledger.begin();
      live.held.add(this);
      for await (const step of steps) {
        if (settledKey !== null && compareKeys(step.key, settledKey) <= 0) continue;
        if (this.#ledger.resume(step.key)) continue;
        const leave = await this.#gate.enter(signal);
        if (this.#failure !== null) leave();
        this.#rethrow();
        this.#send(this.#ledger.open(step.key), step, leave);
        // One item that takes long must not let what settled behind it pile up.
        await this.#until(() => this.#ledger.size < WINDOW_ITEMS_MAX);
      }
      this.#ledger.resume(null);
      await this.#until(() => this.#ledger.size === 0);
      await this.#ledger.quiet();
      this.#rethrow();
      await this.#ledger.finish();
      live.held.delete(this);
    } finally {
      live.segments.delete(this);
    }
  }

  /** Keeps what is settled so far; the segment stays open for whoever continues. */
  async save(): Promise<void> {
    try {
      while (this.#running.size > 0) await Promise.all(this.#running);
      await this.#ledger.save();
    } finally {
      this.#context.live.held.delete(this);
      await this.#context.world.store.release(this.#lease);
    }
  }

  /** Its steps are known from the start. */
  get progress(): SegmentProgress {
    const { segment, epoch } = this.#lease;
    const { segmentId } = segment;
    return { segmentId, epoch, counters: this.#ledger.counted, pendingItems: 0, pendingBytes: 0, isListed: true };
  }

  commitWhenDue(): void {
    this.#ledger.commitWhenDue();
  }

  #send(slot: Slot, step: Step, leave: () => void): void {
    const task: Promise<void> = step
      .work(this.#unrecorded.takeNext())
      .then(
        (settled: Settled) => {
          this.#ledger.settle(slot, settled);
          this.#wake?.();
        },
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        this.#running.delete(task);
        leave();
      });
    this.#running.add(task);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#context.stop(error);
    this.#wake?.();
  }

  #rethrow(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo() && this.#failure === null) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
    this.#rethrow();
  }
}
