/** What one segment adds to the sums of the run, and how to take it back. */
import { Tally, type Counters } from '../model/outcome.ts';

export class SegmentSums {
  readonly #run: Tally;
  readonly #added: Tally;

  /** `before`: what the segment had when it was claimed; the run's sum knows of it. */
  constructor(before: Counters, run: Tally) {
    this.#run = run;
    this.#added = new Tally(before);
  }

  /** One item came to its end. `seesTarget`: an object at the target belongs to it. */
  settle(counters: Counters, seesTarget: boolean): void {
    for (const tally of [this.#added, this.#run]) {
      tally.add(counters);
      if (seesTarget) tally.sawTarget();
    }
  }

  /** The segment starts over: nothing of it counts. */
  takeBack(): void {
    this.#run.subtract(this.#added.now);
  }

  /** All of the segment that is settled at this moment. */
  get total(): Counters {
    return this.#added.total;
  }
}
