/**
 * Looks after what runs that have ended left half-made at their targets. In the background: a target that does not answer
 * must not hold up anything else.
 */
import type { PostgresRunStore } from '../runs/store.ts';
import { clearAfter, type Cleared } from './cancelling.ts';
import type { FleetWorld } from './parts.ts';
import type { Shares } from './shares.ts';

/** What could not be taken away is tried again with growing pauses, up to this one. */
const AGAIN_MS_MAX = 3_600_000;

export interface LeftoversParts {
  readonly world: FleetWorld;
  readonly store: PostgresRunStore;
  readonly shares: Shares;
  readonly workerId: string;
  readonly signal: AbortSignal;
  readonly onFault: (thrown: unknown) => void;
}

export class Leftovers {
  readonly #parts: LeftoversParts;
  readonly #under = new Map<string, Promise<void>>();
  readonly #later = new Map<string, { readonly atMs: number; readonly delayMs: number }>();

  constructor(parts: LeftoversParts) {
    this.#parts = parts;
  }

  /** Ended runs that need not be looked at now. */
  get resting(): readonly string[] {
    const nowMs = this.#parts.world.clock.monotonic();
    return [...this.#later].flatMap(([runId, { atMs }]) => (atMs > nowMs ? [runId] : []));
  }

  look(runId: string): void {
    if (this.#under.has(runId)) return;
    const { onFault } = this.#parts;
    const clearing = this.#clear(runId)
      .catch(onFault)
      .finally(() => this.#under.delete(runId));
    this.#under.set(runId, clearing);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#under.values());
  }

  /**
   * One that was looked at too early comes again by itself; any other one only if something could not be taken away, or
   * rows of it are missing.
   */
  async #clear(runId: string): Promise<void> {
    const { world, store, shares, workerId, signal } = this.#parts;
    const { reachAgainMs, againFirstMs, goneAfterMs } = world.timing;
    let done: Cleared | null;
    try {
      done = await clearAfter(world, store, shares, workerId, runId, signal);
    } catch (thrown) {
      this.#rest(runId, againFirstMs);
      throw thrown;
    }
    if (done === null || (done.isEarly && done.again === null)) return;
    // The records are the fleet's own, and asked for little: they are tried sooner.
    const firstMs = done.again === 'rows' ? againFirstMs : reachAgainMs;
    if (done.again === null && done.lateMs > 0) this.#rest(runId, firstMs, done.lateMs, false);
    // Not behind what else there is to be looked at.
    else this.#rest(runId, firstMs, Math.min(done.lateMs || Infinity, done.isEarly ? goneAfterMs : Infinity));
  }

  /** Longer each time it comes to nothing; `mostMs`: this time at most. */
  #rest(runId: string, firstMs: number, mostMs = Infinity, isLonger = true): void {
    const nowMs = this.#parts.world.clock.monotonic();
    // Whatever is still open was looked at again long since.
    for (const [id, { atMs }] of this.#later) if (atMs < nowMs - AGAIN_MS_MAX) this.#later.delete(id);
    const knownMs = this.#later.get(runId)?.delayMs ?? firstMs / 2;
    const delayMs = isLonger ? Math.min(AGAIN_MS_MAX, 2 * knownMs) : knownMs;
    this.#later.set(runId, { atMs: nowMs + (isLonger ? Math.min(delayMs, mostMs) : mostMs), delayMs });
  }
}
