/**
 * Tells a right that is gone everywhere from an object that has a lock of its own. After several denials in a row, with
 * no success of the same kind in between, the place itself is looked at; until then the denied items are not settled,
 * so that none of them is left failed for what somebody took away from all.
 */
import type { Account, CheckLine, CheckWish, Place } from '../contract/provider.ts';
import type { Clock } from '../lib/world.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { atSide, noteSide } from './failure-facts.ts';
import { cancelled } from './lanes.ts';
import { DENIED_IN_A_ROW, DENIED_IN_A_ROW_MAX, DENIED_WAIT_MS } from './limits.ts';

export type SideName = 'source' | 'target';
export type Need = 'read' | 'write' | 'delete';

/** Looks whether that side's place lets anybody in for this; the error to stop with when it does not. */
export type AskRights = (side: SideName, need: Need, signal: AbortSignal) => Promise<DroverError | null>;

/** One kind of request at one side. */
interface Row {
  readonly side: SideName;
  readonly need: Need;
  /** Denials since the last success that was begun after the first of them. */
  denied: number;
  firstAt: number;
  /** When the newest success was begun, in ticks. */
  grantedAt: number;
  /** So many in a row, and the place is looked at. */
  most: number;
  /** It was looked at since the last success, and it was not the place. */
  isCleared: boolean;
  verdict: DroverError | null;
  looking: Promise<DroverError | null> | null;
  readonly waiting: Set<() => void>;
}

export class Denials {
  readonly #clock: Clock;
  readonly #ask: AskRights | null;
  readonly #rows = new Map<string, Row>();
  readonly #known = new WeakMap<DroverError, { readonly row: Row; readonly at: number }>();
  /** Order of beginnings and denials: no clock is fine enough. */
  #tick = 0;

  /** `null`: nobody can look, so every denial is the item's. */
  constructor(clock: Clock, ask: AskRights | null) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** Runs one request of that kind and notes how it went. */
  async watch<T>(side: SideName, kind: string, need: Need, work: () => Promise<T>): Promise<T> {
    const row = this.#row(side, kind, need);
    const beganAt = ++this.#tick;
    try {
      const result = await work();
      if (beganAt > row.firstAt) this.#granted(row, beganAt);
      return result;
    } catch (thrown) {
      if (thrown instanceof DroverError && thrown.code === 'PERMISSION_DENIED') this.#denied(row, thrown);
      throw thrown;
    }
  }

  /** The error that the run stops with, or `null` where this denial is one item's. Waits until that is known. */
  async judge(error: DroverError, signal: AbortSignal): Promise<DroverError | null> {
    const known = this.#known.get(error);
    if (known === undefined || this.#ask === null) return null;
    const { row, at } = known;
    for (;;) {
      if (row.verdict !== null) return row.verdict;
      if (row.isCleared && row.denied < row.most) return null;
      await this.#untilMoreIsKnown(row, at, signal);
      if (row.grantedAt > at) return null;
      row.looking ??= this.#look(row, this.#ask, signal).finally(() => {
        row.looking = null;
      });
      try {
        return await row.looking;
      } catch (thrown) {
        // Somebody else who looked was told to stop: that tells nothing about the place.
        if (signal.aborted || toDroverError(thrown).code !== 'CANCELLED') throw thrown;
      }
    }
  }

  #row(side: SideName, kind: string, need: Need): Row {
    const name = `${side} ${kind}`;
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const row: Row = {
      side,
      need,
      denied: 0,
      firstAt: 0,
      grantedAt: 0,
      most: DENIED_IN_A_ROW,
      isCleared: false,
      verdict: null,
      looking: null,
      waiting: new Set(),
    };
    this.#rows.set(name, row);
    return row;
  }

  #granted(row: Row, beganAt: number): void {
    row.grantedAt = Math.max(row.grantedAt, beganAt);
    if (row.denied === 0) return;
    Object.assign(row, { denied: 0, most: DENIED_IN_A_ROW, isCleared: false });
    wake(row);
  }

  #denied(row: Row, error: DroverError): void {
    const at = ++this.#tick;
    row.denied += 1;
    if (row.denied === 1) row.firstAt = at;
    this.#known.set(error, { row, at });
    if (row.denied >= row.most) wake(row);
  }

  /** A success after it, enough denials in a row, or a while in which nothing came. */
  async #untilMoreIsKnown(row: Row, at: number, signal: AbortSignal): Promise<void> {
    if (row.grantedAt > at || row.denied >= row.most) return;
    const over = new AbortController();
    await new Promise<void>((resolve) => {
      row.waiting.add(resolve);
      const stop = AbortSignal.any([signal, over.signal]);
      this.#clock.sleep(DENIED_WAIT_MS, stop).then(resolve, () => resolve());
    });
    over.abort();
  }

  async #look(row: Row, ask: AskRights, signal: AbortSignal): Promise<DroverError | null> {
    const verdict = await atSide(row.side, () => ask(row.side, row.need, signal));
    // What was broken off has found nothing, and looks like a place that lets everybody in.
    if (signal.aborted) throw cancelled();
    row.verdict = verdict;
    if (row.verdict !== null) noteSide(row.verdict, row.side);
    if (row.verdict === null) {
      row.isCleared = true;
      row.most = Math.min(DENIED_IN_A_ROW_MAX, Math.max(row.most, row.denied) * 2);
    }
    wake(row);
    return row.verdict;
  }
}

function wake(row: Row): void {
  const waiting = [...row.waiting];
  row.waiting.clear();
  for (const resolve of waiting) resolve();
}

export interface AskedSide {
  readonly account: Account;
  readonly place: Place;
  /** As people know the place. */
  readonly label: string;
}

/** What a run with this policy wants of both places. */
export function wishOf({ tags, mode }: Pick<Policy, 'tags' | 'mode'>): CheckWish {
  return { tags: tags === 'preserve', deletes: mode === 'mirror' };
}

/** Tags are asked for only where they are wanted, and go along with what is written. */
const NEEDED: Readonly<Record<Need, readonly CheckLine['what'][]>> = {
  read: ['identity', 'network', 'container', 'list', 'read'],
  write: ['identity', 'network', 'container', 'write', 'tags'],
  delete: ['identity', 'network', 'container', 'delete'],
};

/** Asks each side's own check. `andThen`: what lets the run go on once the right is there again, as a sentence. */
export function rightsOf(
  sides: Readonly<Record<SideName, AskedSide>>,
  policy: Pick<Policy, 'tags' | 'mode'>,
  andThen: string,
): AskRights {
  const wish = wishOf(policy);
  return async (side, need, signal) => {
    const { account, place, label } = sides[side];
    for await (const line of account.check(place, need === 'read' ? 'read' : 'write', signal, wish)) {
      if (line.result === 'refused' && NEEDED[need].includes(line.what)) {
        return refusalOf(side, need, label, line, andThen);
      }
    }
    return null;
  };
}

function refusalOf(
  side: SideName,
  need: Need,
  label: string,
  { what, message, field, remedy }: CheckLine,
  andThen: string,
): DroverError {
  const code = what === 'network' ? 'UNREACHABLE' : 'PERMISSION_DENIED';
  const words = `The ${side} ${label} does not let Drover ${need} any more: ${message}`;
  return new DroverError(code, words, { field, remedy: [remedy ?? 'Grant the missing right.', andThen].join(' ') });
}
