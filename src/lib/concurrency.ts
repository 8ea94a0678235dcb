/** How many requests of one account are under way at one time, adapted to what its service bears. */
import { Turnstile } from './turnstile.ts';
import type { HttpRequest, HttpResponse } from './transport.ts';
import type { Clock } from './world.ts';

const FLOOR = 2;
const DECREASE = 0.65;
/** After a decrease neither more throttling (of requests already sent) nor success changes the ceiling for a while. */
const DEAD_BAND_MS = 1_000;
/** Growth stops at this share of the ceiling that was too much… */
const WALL_SHARE = 0.9;
/** …for so long, so that finding out what a service bears costs few refusals; then it goes on, slowly… */
const WALL_HOLD_MS = 10_000;
const WALL_CAUTION = 4;
/** …and after this time as if there had been none. */
const WALL_MS = 60_000;
/** A service may ask for a pause of this length at most; longer ones are asked for again. */
const PAUSE_MS_MAX = 120_000;
/** Answers this much slower than the best of their kind mean that more requests only wait in another queue. */
const SLOW_FACTOR = 3;
const SLOW_MS = 100;
const SMOOTHING = 0.1;
/** The best is forgotten slowly, as services and ways to them change. */
const FORGETTING = 1.001;

export interface ConcurrencySnapshot {
  /** Waiting for their answer to begin now, reads and writes. */
  readonly inFlight: number;
  /** Held back by the ceiling or by a pause. */
  readonly waiting: number;
  /** The most reads, and the most writes, that may be under way at one time now. */
  readonly ceiling: number;
  /** When the service's pause ends, in milliseconds since 1970; `null` when it asked for none. */
  readonly throttledUntilMs: number | null;
  /** Answers 429 and 503 so far. */
  readonly throttles: number;
}

export interface Slot {
  /** Learns from the head of the answer. */
  answered(request: HttpRequest, response: HttpResponse): void;
  /** Safe to repeat. */
  leave(): void;
}

interface Latency {
  bestMs: number;
  recentMs: number;
}

interface Side {
  readonly gate: Turnstile;
  inFlight: number;
}

export class Concurrency {
  private readonly clock: Clock;
  private readonly ceilingMax: number;
  private readonly sides: Readonly<Record<'read' | 'write', Side>> = {
    read: { gate: new Turnstile(), inFlight: 0 },
    write: { gate: new Turnstile(), inFlight: 0 },
  };
  private readonly latencies = new Map<string, Latency>();
  private ceiling: number;
  /** No throttling yet: grow with every answer. */
  private isStarting = true;
  private decreasedAtMs = Number.NEGATIVE_INFINITY;
  private wall = Number.POSITIVE_INFINITY;
  private pausedUntilMs = Number.NEGATIVE_INFINITY;
  private pausing = 0;
  private throttles = 0;

  constructor(options: { readonly clock: Clock; readonly concurrencyStart: number; readonly concurrencyMax: number }) {
    this.clock = options.clock;
    this.ceilingMax = Math.max(FLOOR, options.concurrencyMax);
    this.ceiling = Math.min(this.ceilingMax, Math.max(FLOOR, options.concurrencyStart));
  }

  async enter(kind: 'read' | 'write', signal: AbortSignal): Promise<Slot> {
    const side = this.sides[kind];
    await side.gate.pass(() => {
      if (side.inFlight >= Math.floor(this.ceiling)) return false;
      side.inFlight++;
      return true;
    }, signal);
    try {
      await this.pause(signal);
    } catch (error) {
      this.leave(side);
      throw error;
    }
    return this.slot(side);
  }

  snapshot(): ConcurrencySnapshot {
    const { read, write } = this.sides;
    const restMs = this.pausedUntilMs - this.clock.monotonic();
    return {
      inFlight: read.inFlight + write.inFlight - this.pausing,
      waiting: read.gate.waiting + write.gate.waiting + this.pausing,
      ceiling: Math.floor(this.ceiling),
      throttledUntilMs: restMs > 0 ? this.clock.now() + restMs : null,
      throttles: this.throttles,
    };
  }

  private slot(side: Side): Slot {
    const { clock } = this;
    const sentAtMs = clock.monotonic();
    let isHeld = true;
    return {
      answered: (request, response) => {
        const { status, headers } = response;
        if (status === 429 || status === 503) this.throttled(sentAtMs, headers['retry-after']);
        else this.succeeded(side, request, clock.monotonic() - sentAtMs);
      },
      leave: () => {
        if (isHeld) this.leave(side);
        isHeld = false;
      },
    };
  }

  private leave(side: Side): void {
    side.inFlight--;
    side.gate.wake();
  }

  /** Everybody of the account waits until the time the service named, also when it is moved meanwhile. */
  private async pause(signal: AbortSignal): Promise<void> {
    this.pausing++;
    try {
      for (;;) {
        const restMs = this.pausedUntilMs - this.clock.monotonic();
        if (restMs <= 0) return;
        await this.clock.sleep(restMs, signal);
      }
    } finally {
      this.pausing--;
    }
  }

  private throttled(sentAtMs: number, retryAfter: string | undefined): void {
    const nowMs = this.clock.monotonic();
    this.throttles++;
    this.isStarting = false;
    const waitMs = retryAfterMs(retryAfter, this.clock.now());
    if (waitMs !== null) this.pausedUntilMs = Math.max(this.pausedUntilMs, nowMs + Math.min(waitMs, PAUSE_MS_MAX));
    // Requests sent before the last decrease say nothing about the ceiling there is now.
    if (sentAtMs < this.decreasedAtMs || nowMs < this.decreasedAtMs + DEAD_BAND_MS) return;
    this.wall = this.ceiling;
    this.ceiling = Math.max(FLOOR, this.ceiling * DECREASE);
    this.decreasedAtMs = nowMs;
  }

  private succeeded(side: Side, request: HttpRequest, tookMs: number): void {
    const isSlow = request.body === null && this.isSlow(request.operation, tookMs);
    const nowMs = this.clock.monotonic();
    const isUsed = side.inFlight >= Math.floor(this.ceiling) || side.gate.waiting > 0;
    if (isSlow || !isUsed || nowMs < this.decreasedAtMs + DEAD_BAND_MS) return;
    const sinceMs = nowMs - this.decreasedAtMs;
    const isNearWall = sinceMs < WALL_MS && this.ceiling >= this.wall * WALL_SHARE;
    if (isNearWall && sinceMs < WALL_HOLD_MS) return;
    // One more per round of answers; at the very beginning one more per answer, which doubles with every round.
    const caution = isNearWall ? WALL_CAUTION : 1;
    this.ceiling = Math.min(this.ceilingMax, this.ceiling + (this.isStarting ? 1 : 1 / (this.ceiling * caution)));
    side.gate.wake();
  }

  private isSlow(operation: string, tookMs: number): boolean {
    const latency = this.latencies.get(operation);
    if (latency === undefined) {
      this.latencies.set(operation, { bestMs: tookMs, recentMs: tookMs });
      return false;
    }
    latency.bestMs = Math.min(tookMs, latency.bestMs * FORGETTING);
    latency.recentMs += (tookMs - latency.recentMs) * SMOOTHING;
    return latency.recentMs > latency.bestMs * SLOW_FACTOR + SLOW_MS;
  }
}

/** Seconds or a date; `null` when there is none that can be read. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | null {
  if (value === undefined) return null;
  if (/^\s*\d+(?:\.\d+)?\s*$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}
