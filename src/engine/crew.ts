/**
 * What one worker does in a run: it claims segments, works on a few at once, and shares what it has left with whoever
 * has nothing. Any number of workers do the same at the same time; what they know of each other is in the run store.
 */
import { DroverError, toDroverError } from '../model/errors.ts';
import type { RunContext } from './context.ts';
import { cancelled } from './lanes.ts';
import { ASK_AGAIN_MS, IDLE_MS, LOOK_EVERY_ROUNDS, SPLIT_REST_MS_MAX, WAITING_MS, YIELD_MS } from './limits.ts';
import { nextSegments } from './phase-order.ts';
import { runPhase } from './phases.ts';
import type { Lease, SegmentKind, SegmentRecord } from './ports.ts';
import { SegmentWork } from './segment.ts';

export interface CrewOptions {
  /** Segments worked on at once. */
  readonly lanesMax: number;
  /** Other processes may work on the same run. */
  readonly isShared: boolean;
  readonly onKind: (kind: SegmentKind) => void;
  readonly settle: (context: RunContext, lease: Lease, segments: readonly SegmentRecord[]) => Promise<void>;
}

/** A segment this worker has a lease on. */
interface Held {
  readonly lease: Lease;
  readonly stopper: AbortController;
  work: SegmentWork | null;
  /** What is settled of it can be kept. */
  savable: { save(): Promise<void> } | null;
  isLost: boolean;
  /** A split that found no cut is not tried again at once: each costs a few listings. */
  splitAtMs: number;
  splitRestMs: number;
}

export class Crew {
  readonly #context: RunContext;
  readonly #options: CrewOptions;
  readonly #held = new Set<Held>();
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;
  /** Something may be free that was not before. */
  #isOffered = true;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #askedWaitingAtMs = Number.NEGATIVE_INFINITY;
  /** What was cut off for others is left to them until then. */
  #yieldUntilMs = Number.NEGATIVE_INFINITY;
  /** Rounds without anything to do, and since when. */
  #idleRounds = 0;
  #idleSinceMs: number;
  readonly #startedAtMs: number;
  #isWaiting = false;
  readonly #splitting = new Set<Promise<void>>();
  #wake: (() => void) | null = null;
  #isWoken = false;

  constructor(context: RunContext, options: CrewOptions) {
    this.#context = context;
    this.#options = options;
    this.#startedAtMs = context.world.clock.monotonic();
    this.#idleSinceMs = this.#startedAtMs;
  }

  /**
   * Until the run has ended, by whoever's hand. Throws when it was stopped, or for what concerns more than one item;
   * then everything held was committed as far as it was settled, and given back.
   */
  async work(): Promise<void> {
    try {
      while (await this.#turn());
    } catch (error) {
      this.#fail(error);
    } finally {
      while (this.#running.size > 0) await Promise.all(this.#running);
      await Promise.all(this.#splitting);
      await this.#setWaiting(false).catch(() => undefined);
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** False when the run has ended. */
  async #turn(): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#context.signal.aborted) throw cancelled();
    if (this.#held.size === 0 && this.#idleRounds > 0 && this.#idleRounds % LOOK_EVERY_ROUNDS === 0)
      return this.#lookAround();
    const lanesFree = Math.max(1, this.#options.lanesMax) - this.#held.size;
    if (lanesFree > 0 && this.#isDue() && !(await this.#isLeftToOthers())) {
      const lease = await this.#claim();
      if (lease !== null) {
        await this.#setWaiting(false);
        this.#start(lease);
        return true;
      }
      if (this.#held.size === 0) await Promise.all(this.#splitting);
      // What was in hand while this one asked may have been given back since.
      if (this.#isOffered) return true;
      if (this.#held.size === 0) return this.#lookAround();
    }
    await this.#share(lanesFree);
    await this.#pause(this.#pauseMs(lanesFree));
    return true;
  }

  get #isYielding(): boolean {
    return this.#held.size > 0 && this.#now < this.#yieldUntilMs;
  }

  #isDue(): boolean {
    if (this.#isYielding) return false;
    const restMs = this.#held.size === 0 ? 0 : ASK_AGAIN_MS;
    return this.#isOffered || this.#now - this.#askedAtMs >= restMs;
  }

  /** The first segment of a worker that has none is worth more than another one here. */
  async #isLeftToOthers(): Promise<boolean> {
    if (!this.#options.isShared || this.#held.size === 0) return false;
    if ((await this.#context.world.store.waiting(this.#context.run.runId)) === 0) return false;
    this.#isOffered = false;
    this.#askedAtMs = this.#now;
    return true;
  }

  async #claim(): Promise<Lease | null> {
    const { store, worker } = this.#context.world;
    this.#isOffered = false;
    this.#askedAtMs = this.#now;
    return store.claim(this.#context.run.runId, worker);
  }

  /** Nothing to claim and nothing in hand: the run goes into its next phase, has ended, or others are at it. */
  async #lookAround(): Promise<boolean> {
    const { store } = this.#context.world;
    const { runId, definition } = this.#context.run;
    const round = this.#idleRounds++;
    if (round % (4 * LOOK_EVERY_ROUNDS) === 0) {
      const segments = await store.segments(runId);
      const open = segments.filter(({ state }) => state === 'open');
      if (open.length === 0) {
        const next = nextSegments(segments, definition.policy);
        if (next.length === 0) return false;
        await store.addSegments(runId, next);
        this.#begin();
        return true;
      }
      if (!this.#options.isShared) throw new DroverError('GUARD_BUSY', 'Another worker holds a part of this run.');
      const kind = (open[0] as SegmentRecord).kind;
      this.#options.onKind(kind);
      await this.#setWaiting(kind !== 'settle');
    } else if (round > 0 && round % LOOK_EVERY_ROUNDS === 0) {
      const run = await store.getRun(runId);
      if (run === null || run.endedAtMs !== null) return false;
    }
    await this.#pause(this.#pace(this.#idleSinceMs));
    return true;
  }

  /** Short runs are shared quickly, long ones cost one question a second. */
  #pace(sinceMs: number): number {
    return Math.min(WAITING_MS, Math.max(2 * IDLE_MS, (this.#now - sinceMs) / 4));
  }

  #begin(): void {
    this.#idleRounds = 0;
    this.#idleSinceMs = this.#now;
    this.#isOffered = true;
  }

  #start(lease: Lease): void {
    this.#begin();
    this.#options.onKind(lease.segment.kind);
    const stopper = new AbortController();
    const held: Held = {
      lease,
      stopper,
      work: null,
      savable: null,
      isLost: false,
      splitAtMs: this.#now,
      splitRestMs: IDLE_MS,
    };
    this.#held.add(held);
    const lost = this.#context.world.store.lost?.(lease);
    if (lost?.aborted === true) this.#lose(held, lost.reason);
    lost?.addEventListener('abort', () => this.#lose(held, lost.reason), { once: true, signal: stopper.signal });
    const task: Promise<void> = this.#perform(held)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#held.delete(held);
        this.#running.delete(task);
        this.#begin();
        this.#wakeUp();
      });
    this.#running.add(task);
  }

  async #perform(held: Held): Promise<void> {
    const { lease } = held;
    const context = this.#contextOf(held);
    try {
      // Somebody had it before: what they left open at the target is for this one to continue or to end.
      if (lease.epoch > 1) await context.uploads.inherit(lease.segment);
      await this.#workOn(context, held);
    } catch (error) {
      if (this.#isLoss(held, error)) this.#lose(held, error);
      else context.stop(error);
      if (held.savable !== null) await held.savable.save().catch(() => undefined);
      else await context.world.store.release(lease).catch(() => undefined);
      if (!held.isLost) throw error;
      if (held.work?.isListed === false) context.live.unlistedSegments -= 1;
    }
  }

  async #workOn(context: RunContext, held: Held): Promise<void> {
    const { kind, runId } = held.lease.segment;
    if (kind === 'keys') {
      if (this.#options.isShared) context.live.unlistedSegments += 1;
      held.work = new SegmentWork(context, held.lease);
      held.savable = held.work;
      await held.work.run();
      return;
    }
    const segments = await context.world.store.segments(runId);
    if (kind === 'settle') return this.#options.settle(context, held.lease, segments);
    await runPhase(context, held.lease, segments, (work) => (held.savable = work));
  }

  /** The run's own, except that a lease that is lost stops its segment alone. */
  #contextOf(held: Held): RunContext {
    const context = this.#context;
    return {
      ...context,
      signal: AbortSignal.any([context.signal, held.stopper.signal]),
      stop: (error) => {
        if (this.#isLoss(held, error)) this.#lose(held, error);
        else context.stop(error);
      },
    };
  }

  /** Alone, nobody else can rightly have it: somebody works on the same state, and this process had better stop. */
  #isLoss(held: Held, error: unknown): boolean {
    if (!this.#options.isShared) return false;
    return held.isLost || toDroverError(error).code === 'LEASE_LOST';
  }

  #lose(held: Held, error: unknown): void {
    if (held.isLost) return;
    held.isLost = true;
    const { segmentId } = held.lease.segment;
    this.#context.world.log('warn', `Segment ${segmentId} is another worker's now.`, {
      code: 'LEASE_LOST',
      run: this.#context.run.runId,
      segment: segmentId,
      epoch: held.lease.epoch,
    });
    held.stopper.abort(toDroverError(error));
  }

  /** Half of what is left of a busy segment, for a worker that has nothing or for an idle lane here. */
  async #share(lanesFree: number): Promise<void> {
    const others = this.#splittable(true);
    if (others !== null && (await this.#othersWait())) return this.#split(others, true);
    // Only where listing is what everybody waits for: more listings do not help while the lanes are full.
    if (lanesFree <= this.#splitting.size || this.#context.smallGate.isFull || this.#isYielding) return;
    const own = this.#splittable(false);
    if (own !== null) this.#split(own, false);
  }

  #splittable(isForOthers: boolean): Held | null {
    const nowMs = this.#now;
    const isSo = ({ work, splitAtMs }: Held): boolean => splitAtMs <= nowMs && work?.canSplit(isForOthers) === true;
    return [...this.#held].find(isSo) ?? null;
  }

  async #othersWait(): Promise<boolean> {
    if (!this.#options.isShared || this.#now - this.#askedWaitingAtMs < this.#pace(this.#startedAtMs)) return false;
    this.#askedWaitingAtMs = this.#now;
    const doWait = (await this.#context.world.store.waiting(this.#context.run.runId)) > 0;
    if (!doWait) this.#yieldUntilMs = Number.NEGATIVE_INFINITY;
    return doWait;
  }

  #split(held: Held, isForOthers: boolean): void {
    const task: Promise<void> = this.#cut(held, isForOthers).finally(() => this.#splitting.delete(task));
    this.#splitting.add(task);
  }

  async #cut(held: Held, isForOthers: boolean): Promise<void> {
    const segmentId = `x${Buffer.from(this.#context.world.random.bytes(6)).toString('hex')}`;
    try {
      if (await held.work?.trySplit(segmentId, isForOthers)) {
        // Whoever claims the other half counts it.
        if (this.#options.isShared) this.#context.live.unlistedSegments -= 1;
        held.splitRestMs = IDLE_MS;
        this.#isOffered = true;
        if (isForOthers) this.#yieldUntilMs = this.#now + YIELD_MS;
        this.#wakeUp();
        return;
      }
      held.splitAtMs = this.#now + held.splitRestMs;
      held.splitRestMs = Math.min(SPLIT_REST_MS_MAX, held.splitRestMs * 2);
    } catch (error) {
      if (this.#isLoss(held, error)) this.#lose(held, error);
      else this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#context.stop(error);
    this.#wakeUp();
  }

  async #setWaiting(isWaiting: boolean): Promise<void> {
    if (this.#isWaiting === isWaiting) return;
    this.#isWaiting = isWaiting;
    const { store, worker } = this.#context.world;
    await store.setWaiting(this.#context.run.runId, worker, isWaiting);
  }

  get #now(): number {
    return this.#context.world.clock.monotonic();
  }

  /** `null`: only until something changes here. */
  #pauseMs(lanesFree: number): number | null {
    if (lanesFree > 0) return IDLE_MS;
    return this.#options.isShared ? WAITING_MS : null;
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  async #pause(delayMs: number | null): Promise<void> {
    const { signal, world } = this.#context;
    const stop = new AbortController();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true, signal: stop.signal });
      if (this.#isWoken || signal.aborted) resolve();
      else if (delayMs !== null) world.clock.sleep(delayMs, stop.signal).then(resolve, () => resolve());
    });
    this.#wake = null;
    this.#isWoken = false;
    stop.abort();
  }
}
