/** What one segment adds to the sums of the run: how much of it is in the state by now, and how to take it back. */
import { Tally, type Counters } from '../model/outcome.ts';

export class SegmentSums {
  readonly #run: Tally;
  readonly #added: Tally;
  readonly #committed: Tally;

  /** `before`: what the segment had when it was claimed; the run's sum knows of it. */
  constructor(before: Counters, run: Tally) {
    this.#run = run;
    this.#added = new Tally(before);
    this.#committed = new Tally(before);
  }

  /** One item came to its end. `seesTarget`: an object at the target belongs to it. */
  settle(counters: Counters, seesTarget: boolean): void {
    for (const tally of [this.#added, this.#run]) {
      tally.add(counters);
      if (seesTarget) tally.sawTarget();
    }
  }

  commit(counters: Counters): void {
    this.#committed.add(counters);
  }

  /** The segment starts over: nothing of it counts. */
  takeBack(): void {
    this.#run.subtract(this.#added.now);
  }

  /** Settled here, but nobody else knows of it yet. */
  get uncommitted(): Counters {
    const rest = new Tally(this.#added.now);
    rest.subtract(this.#committed.now);
    return rest.total;
  }
}
