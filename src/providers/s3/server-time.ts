/** The store's clock, as far as it is known: signatures more than 15 minutes off are refused. */
import type { Clock } from '../../lib/world.ts';
import type { WireFailure } from './errors.ts';

export class ServerTime {
  readonly #clock: Clock;
  #offsetMs = 0;
  #lagMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now() + this.#offsetMs;
  }

  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** How far the store's clock was ahead of ours in its last answer; whole seconds, and never used for signing. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** Header `date` of any answer. */
  notice(date: string | undefined): void {
    const atMs = Date.parse(date ?? '');
    if (!Number.isNaN(atMs)) this.#lagMs = atMs - this.#clock.now();
  }

  /** Takes over the store's time from a refusal for a wrong clock; `true` when trying again makes sense. */
  corrects(failure: Pick<WireFailure, 'code' | 'message' | 'dateMs'>): boolean {
    if (!isAboutTime(failure) || failure.dateMs === null) return false;
    const offsetMs = failure.dateMs - this.#clock.now();
    if (Math.abs(offsetMs - this.#offsetMs) < 60_000) return false;
    this.#offsetMs = offsetMs;
    return true;
  }
}

/** STS says it in the words of a wrong signature. */
function isAboutTime(failure: Pick<WireFailure, 'code' | 'message'>): boolean {
  if (/^(RequestTimeTooSkewed|RequestExpired)$/.test(failure.code)) return true;
  return failure.code === 'SignatureDoesNotMatch' && /^Signature (expired|not yet current)/.test(failure.message);
}
