/**
 * Turns at one rate for several who each have many waiting: each has one of its own at the rate, so that all get as many,
 * and whoever came first with a thousand keeps nobody waiting for a thousand.
 */
import type { Shaper } from '../../lib/shaper.ts';
import { Turnstile } from '../../lib/turnstile.ts';

export class Turns {
  readonly #rate: Shaper;
  readonly #lines = new Set<Line>();

  constructor(rate: Shaper) {
    this.#rate = rate;
  }

  /** In all lines. */
  get waiting(): number {
    let waiting = this.#rate.waiting;
    for (const line of this.#lines) waiting += line.waiting;
    return waiting;
  }

  open(): Line {
    const line = new Line(this.#rate);
    this.#lines.add(line);
    return line;
  }

  close(line: Line): void {
    this.#lines.delete(line);
  }
}

/** Of one of them: first come, first served. */
export class Line {
  readonly #rate: Shaper;
  readonly #gate = new Turnstile();
  #hasTurn = false;

  constructor(rate: Shaper) {
    this.#rate = rate;
  }

  get waiting(): number {
    return this.#gate.waiting;
  }

  /** So much of the rate. CANCELLED when the signal says so first. */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    await this.#gate.pass(() => this.#enter(), signal);
    try {
      await this.#rate.take(amount, signal);
    } finally {
      this.#hasTurn = false;
      this.#gate.wake();
    }
  }

  #enter(): boolean {
    if (this.#hasTurn) return false;
    this.#hasTurn = true;
    return true;
  }
}
