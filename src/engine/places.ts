/**
 * Tells an object that is gone from a place that is gone with all its objects. Some answers about single objects look
 * alike in both cases (HEAD has no words), so the place itself is looked at, by one page of its listing, before an object
 * is left out or blamed.
 */
import type { Lister } from '../contract/provider.ts';
import type { Clock } from '../lib/world.ts';
import { toDroverError, type DroverError, type ErrorCode } from '../model/errors.ts';
import type { SideName } from './denials.ts';
import { atSide, sideOf } from './failure-facts.ts';
import { PLACE_LOOK_EVERY_MS } from './limits.ts';

/** What an object can fail with because its place is gone, or is just going. */
const MAY_BE_THE_PLACE: ReadonlySet<ErrorCode> = new Set([
  'NOT_FOUND',
  'CHANGED',
  'UPLOAD_LOST',
  'EARLY_END',
  'UNAVAILABLE',
  'TIMED_OUT',
  'INTERNAL',
]);

/** No key comes before this one: a page that costs little. */
const BEFORE_ALL_KEYS = '\u0001';

interface Look {
  readonly startedAtMs: number;
  readonly verdict: Promise<DroverError | null>;
}

export class Places {
  readonly #sides: Readonly<Record<SideName, Pick<Lister, 'scan'>>>;
  readonly #clock: Clock;
  readonly #looks = new Map<SideName, Look>();
  readonly #gone = new Map<SideName, DroverError>();

  constructor(sides: Readonly<Record<SideName, Pick<Lister, 'scan'>>>, clock: Clock) {
    this.#sides = sides;
    this.#clock = clock;
  }

  /**
   * The error that the run stops with, or `null` where this failure is the object's own. Of many that come together not
   * each one costs a look: what is let through in between is found out by the next one, or at the end of the run.
   */
  async judge(thrown: unknown, signal: AbortSignal): Promise<DroverError | null> {
    if (!MAY_BE_THE_PLACE.has(toDroverError(thrown).code)) return null;
    const side = sideOf(thrown);
    for (const one of side === null ? (['source', 'target'] as const) : [side]) {
      const error = await this.#seen(one, PLACE_LOOK_EVERY_MS, signal);
      if (error !== null) return error;
    }
    return null;
  }

  /** PLACE_NOT_FOUND and the like when that side's place is gone now. */
  async demand(side: SideName, signal: AbortSignal): Promise<void> {
    const error = await this.#seen(side, 0, signal);
    if (error !== null && isGone(error)) throw error;
  }

  async #seen(side: SideName, everyMs: number, signal: AbortSignal): Promise<DroverError | null> {
    const known = this.#gone.get(side);
    if (known !== undefined) return known;
    const last = this.#looks.get(side);
    if (last !== undefined && this.#clock.monotonic() - last.startedAtMs < everyMs) return last.verdict;
    const look = { startedAtMs: this.#clock.monotonic(), verdict: this.#look(side, signal) };
    this.#looks.set(side, look);
    return look.verdict;
  }

  async #look(side: SideName, signal: AbortSignal): Promise<DroverError | null> {
    try {
      await atSide(side, () => lookAt(this.#sides[side], signal));
      return null;
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (isGone(error)) this.#gone.set(side, error);
      // Who may not list cannot tell.
      return isGone(error) || error.policy.scope === 'account' ? error : null;
    }
  }
}

/** Fails as a listing of it does, with PLACE_NOT_FOUND where it is gone. */
export async function lookAt(place: Pick<Lister, 'scan'>, signal: AbortSignal): Promise<void> {
  for await (const _ of place.scan({ from: null, to: BEFORE_ALL_KEYS, resume: null }, signal)) return;
}

function isGone({ code }: DroverError): boolean {
  return code === 'PLACE_NOT_FOUND' || code === 'SOURCE_NOT_FOUND';
}
