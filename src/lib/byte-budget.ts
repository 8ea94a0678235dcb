/** A hard cap on bytes held in memory at one time, shared fairly by everything that needs some. */
import { Turnstile } from './turnstile.ts';

export class ByteBudget {
  private readonly bytesMax: () => number;
  private readonly gate = new Turnstile();
  private bytesInUse = 0;

  /** A bound that is asked for may change at any time. */
  constructor(bytesMax: number | (() => number)) {
    this.bytesMax = typeof bytesMax === 'number' ? () => bytesMax : bytesMax;
  }

  get usedBytes(): number {
    return this.bytesInUse;
  }

  /** How many wait for memory. */
  get waiting(): number {
    return this.gate.waiting;
  }

  /**
   * Resolves, in order of asking, when that much is free, with a function that gives it back (calling it again does
   * nothing). More than the whole budget is granted only when nothing else is in use. CANCELLED.
   */
  async acquire(bytes: number, signal?: AbortSignal): Promise<() => void> {
    await this.gate.pass(() => this.take(bytes), signal);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.bytesInUse -= bytes;
      this.gate.wake();
    };
  }

  private take(bytes: number): boolean {
    if (this.bytesInUse > 0 && this.bytesInUse + bytes > this.bytesMax()) return false;
    this.bytesInUse += bytes;
    return true;
  }
}
