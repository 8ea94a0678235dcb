/**
 * Tells an object that is gone from a place that is gone with all its objects. Some answers about single objects look
 * alike in both cases (HEAD has no words), so the place itself is looked at, by one page of its listing, before an object
 * is left out or blamed.
 */
import type { Lister } from '../contract/provider.ts';
import { retrying, type RetryOptions } from '../lib/retry.ts';
import type { Clock } from '../lib/world.ts';
import { toDroverError, type DroverError, type ErrorCode } from '../model/errors.ts';
import type { SideName } from './denials.ts';
import { atSide, sideOf } from './failure-facts.ts';
import {
  PLACE_LOOK_EVERY_MS,
  PLACE_LOOK_SHARE_MAX,
  PLACE_LOOK_THROTTLED_MS_MAX,
  REQUEST_ATTEMPTS_MAX,
} from './limits.ts';
import type { RetryWorld } from './wrap.ts';

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

/** No key comes before this one: of the page only that it came is wanted, though stores may fill it all the same. */
const BEFORE_ALL_KEYS = '\u0001';

interface Look {
  readonly startedAtMs: number;
  endedAtMs: number | null;
  readonly answer: Promise<Answer>;
}

/** What the listing failed with; `null`: it did not. `stopped`: whoever looked was told to stop. */
type Answer = DroverError | null | 'stopped';

type Patience = Pick<RetryOptions, 'throttledMsMax'>;
type Sides = Readonly<Record<SideName, Pick<Lister, 'scan'>>>;

export class Places {
  readonly #sides: Sides;
  readonly #clock: Clock;
  readonly #worldOf: (side: SideName) => RetryWorld;
  readonly #looks = new Map<SideName, Look>();
  readonly #gone = new Map<SideName, DroverError>();

  constructor(sides: Sides, clock: Clock, worldOf: (side: SideName) => RetryWorld) {
    this.#sides = sides;
    this.#clock = clock;
    this.#worldOf = worldOf;
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
      // Who may not list cannot tell.
      if (error !== null && (isGone(error) || error.policy.scope === 'account')) return error;
    }
    return null;
  }

  /** PLACE_NOT_FOUND and the like when that side's place is gone now. */
  async demand(side: SideName, signal: AbortSignal): Promise<void> {
    const error = await this.#seen(side, 0, signal);
    if (error !== null && isGone(error)) throw error;
  }

  /** The same, and what keeps it from being seen now, unless no waiting mends that. As patient as any request. */
  async demandAnswer(side: SideName, signal: AbortSignal): Promise<void> {
    const error = await this.#seen(side, 0, signal, {});
    if (error === null) return;
    const { scope, retry } = error.policy;
    if (isGone(error) || scope === 'account' || retry !== 'never') throw error;
  }

  async #seen(
    side: SideName,
    everyMs: number,
    signal: AbortSignal,
    patience: Patience = { throttledMsMax: PLACE_LOOK_THROTTLED_MS_MAX },
  ): Promise<DroverError | null> {
    for (;;) {
      const known = this.#gone.get(side);
      if (known !== undefined) return known;
      const last = this.#looks.get(side);
      const look = last !== undefined && this.#isFresh(last, everyMs) ? last : this.#begin(side, signal, patience);
      const answer = await look.answer;
      if (answer !== 'stopped') return answer;
      // Somebody else of this run was; that tells nothing about the place.
      if (signal.aborted) return null;
    }
  }

  /** Where a look takes long (a folder with very many files), most of the time nobody looks. */
  #isFresh({ startedAtMs, endedAtMs }: Look, everyMs: number): boolean {
    const nowMs = this.#clock.monotonic();
    if (everyMs === 0) return false;
    if (endedAtMs === null) return true;
    return nowMs - startedAtMs < Math.max(everyMs, (endedAtMs - startedAtMs) / PLACE_LOOK_SHARE_MAX);
  }

  #begin(side: SideName, signal: AbortSignal, patience: Patience): Look {
    const answer = this.#look(side, signal, patience).finally(() => (look.endedAtMs = this.#clock.monotonic()));
    const look: Look = { startedAtMs: this.#clock.monotonic(), endedAtMs: null, answer };
    this.#looks.set(side, look);
    void answer.then((one) => {
      if (one === 'stopped' && this.#looks.get(side) === look) this.#looks.delete(side);
    });
    return look;
  }

  async #look(side: SideName, signal: AbortSignal, patience: Patience): Promise<Answer> {
    const limits = { attemptsMax: REQUEST_ATTEMPTS_MAX, ...patience };
    const { clock, random, onRetry } = this.#worldOf(side);
    const again = onRetry === undefined ? {} : { onRetry };
    try {
      const look = () => atSide(side, () => lookAt(this.#sides[side], signal));
      await retrying(look, { clock, random, signal, ...limits, ...again });
      return null;
    } catch (thrown) {
      if (signal.aborted) return 'stopped';
      const error = toDroverError(thrown);
      if (isGone(error)) this.#gone.set(side, error);
      return error;
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
