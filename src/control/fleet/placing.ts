/**
 * The pure part of the queue: which of the queued runs begin, which give their place back, and why the others wait.
 * Places go to connectors in turn, so that a slow one, or one with many jobs, never keeps another one waiting.
 */
import { subtreeOf } from '../../contract/places.ts';
import type { WaitReason } from '../entities.ts';
import { Areas } from './areas.ts';
import { atLimit, atTransfers, busyTarget, gaveWay, workersBusy, type TransfersAllowed } from './wait-reasons.ts';

export interface PlacedRun {
  readonly id: string;
  readonly number: number;
  readonly job: string;
  readonly state: string;
  readonly source_connector_id: string;
  readonly target_connector_id: string;
  readonly target_fingerprint: string;
  readonly target_container: string;
  readonly target_prefix: string;
  readonly waits: WaitReason | null;
  /** That are at it. Of a queued one: that have not let go yet. */
  readonly workers: number;
  /** Since its row was changed. */
  readonly waited_ms: number;
  /** By a side that is slow or throttles, by a limit or a timetable: as the workers at it say. */
  readonly is_held_back: boolean;
  /** The connector that does so. */
  readonly held_back_by: string | null;
}

/** Times as many runs in all: what is held back costs next to nothing; but not without end. */
export const HELD_BACK_FACTOR = 4;

export interface Places {
  /** Runs at once, by the setting; what is held back from outside does not count. */
  readonly runsMax: number;
  /** Runs that the workers that are there take part in; `null`: there are none, and one may come. */
  readonly room: number | null;
  /** A run that nobody has begun to work on for so long finds nobody. */
  readonly aloneMs: number;
  /** Connectors with a limit of transfers, by id: each run needs one at least. */
  readonly transfers?: ReadonlyMap<string, TransfersAllowed>;
}

export interface Placing {
  readonly start: readonly string[];
  /** Of those that wait, also of those that give their place back. */
  readonly waits: ReadonlyMap<string, WaitReason>;
  /** Give their place back. */
  readonly back: readonly string[];
}

/**
 * `busy` in the order in which they began, `queued` in theirs. `halted`: what stands still for a reason of its own, and
 * needs no place meanwhile; it keeps its part of the target from those behind.
 */
export function placeRuns(
  busy: readonly PlacedRun[],
  queued: readonly PlacedRun[],
  places: Places,
  halted: ReadonlyMap<string, WaitReason> = new Map(),
): Placing {
  const round = new Round(busy, queued, places);
  round.leaveIdlePlaces();
  round.sortOut(halted);
  round.giveOut();
  return round;
}

interface Entry extends PlacedRun {
  /** Of its target: every key of it begins with this. Asked for very often where many wait for each other. */
  readonly area: string;
  /** Its place in the order. */
  readonly at: number;
}

function entryOf(run: PlacedRun, at: number): Entry {
  const { target_fingerprint: fingerprint, target_container: container, target_prefix: prefix } = run;
  return { ...run, area: `${fingerprint}\0${subtreeOf({ container, prefix })}`, at };
}

class Round implements Placing {
  readonly start: string[] = [];
  readonly waits = new Map<string, WaitReason>();
  readonly back: string[] = [];
  readonly #places: Places;
  readonly #queued: readonly Entry[];
  /** What has a place. */
  #taken: Entry[];
  /** Writes to its part of the target, with a place or still without having let go. */
  readonly #writing: Entry[];
  /** What runs further in front wait for: nobody behind them may take it meanwhile, or they could wait for ever. */
  readonly #reserved = new Areas<Entry>();
  /** Those that need nothing but a place, in their order. */
  #waiting = new Map<string, Entry>();
  /** Runs with a place, by connector. */
  readonly #held = new Map<string, number>();
  /** Their ends, by connector. */
  readonly #ends = new Map<string, number>();
  /** Pairs of connectors for which nobody can give way, as it is. */
  readonly #fixed = new Set<string>();

  constructor(busyRuns: readonly PlacedRun[], queuedRuns: readonly PlacedRun[], places: Places) {
    const busy = busyRuns.map(entryOf);
    const queued = queuedRuns.map(entryOf);
    this.#places = places;
    this.#queued = queued;
    this.#taken = [...busy];
    this.#writing = [...busy, ...queued.filter(({ workers }) => workers > 0)];
    for (const run of busy) this.#hold(run, 1);
  }

  /**
   * More have a place than there is room for, as after a worker has gone, or than a connector may have transfers: those
   * that nobody works on wait visibly.
   */
  leaveIdlePlaces(): void {
    const idle = this.#taken.filter(
      ({ state, workers, waited_ms: waitedMs }) =>
        state === 'running' && workers === 0 && waitedMs >= this.#places.aloneMs,
    );
    for (const run of idle.toReversed()) {
      const over = this.#limitsOf(run).find(([id, { most }]) => this.#heldBy(id) > most);
      if (over !== undefined) this.#giveBack(run, atTransfers(...over));
      else if (this.#places.room !== null && this.#taken.length > this.#most()) this.#giveBack(run, this.#noPlace(run));
    }
  }

  /** Who waits for a part of its target, or for something of its own. */
  sortOut(halted: ReadonlyMap<string, WaitReason>): void {
    for (const run of this.#queued) {
      const reason = halted.get(run.id);
      const other =
        this.#writing.find((one) => one.id !== run.id && overlaps(one, run)) ??
        this.#reservedFor(run, Number.POSITIVE_INFINITY);
      if (reason === undefined && other === undefined) {
        this.#waiting.set(run.id, run);
        continue;
      }
      this.waits.set(run.id, reason ?? busyTarget(other as Entry));
      this.#reserve(run);
    }
  }

  giveOut(): void {
    for (let next = this.#fairest(); next !== undefined; next = this.#fairest()) {
      const ahead = this.#aheadOf(next);
      if (ahead !== undefined) {
        this.#block(next, ahead);
        continue;
      }
      if (this.#isFullFor(next)) {
        const other = this.#replacedBy(next);
        if (other === undefined) {
          this.#fixed.add(pairOf(next));
          continue;
        }
        this.#giveBack(other, gaveWay(next));
      }
      this.#begin(next);
    }
    for (const run of this.#waiting.values()) this.waits.set(run.id, this.#noPlace(run));
  }

  /** Places there are at this moment, or would be without that one. */
  #most(without?: Entry): number {
    const { runsMax, room } = this.#places;
    const heldBack = this.#taken.filter((run) => run.is_held_back && run !== without).length;
    return Math.min(room ?? Number.POSITIVE_INFINITY, runsMax + Math.min(heldBack, runsMax * (HELD_BACK_FACTOR - 1)));
  }

  #isFullFor(run: Entry): boolean {
    return this.#hasNoPlaceFor(run) || this.#limitFor(run) !== undefined;
  }

  /**
   * What is held back leaves its place to runs of other connectors: more of the same would only make the one slower that
   * holds them back.
   */
  #hasNoPlaceFor(run: Entry): boolean {
    const { runsMax } = this.#places;
    const ends = endsOf(run);
    const isSlow = this.#taken.some(({ held_back_by: by }) => by !== null && ends.includes(by));
    return this.#taken.length >= (isSlow ? Math.min(runsMax, this.#most()) : this.#most());
  }

  /** Of one of its connectors all transfers are given out. */
  #limitFor(run: Entry): readonly [string, TransfersAllowed] | undefined {
    return this.#limitsOf(run).find(([id, { most }]) => this.#heldBy(id) >= most);
  }

  #limitsOf(run: Entry): readonly (readonly [string, TransfersAllowed])[] {
    return endsOf(run).flatMap((id) => {
      const allowed = this.#places.transfers?.get(id);
      return allowed === undefined ? [] : [[id, allowed] as const];
    });
  }

  #begin(run: Entry): void {
    this.start.push(run.id);
    const begun = { ...run, state: 'running' };
    this.#taken.push(begun);
    this.#hold(run, 1);
    // A connector may have several now, one of which may give way.
    this.#fixed.clear();
    this.#waiting.delete(run.id);
    for (const one of this.#waiting.values()) if (overlaps(one, run)) this.#block(one, begun);
  }

  #block(run: Entry, other: Entry): void {
    this.#waiting.delete(run.id);
    this.waits.set(run.id, busyTarget(other));
    this.#reserve(run);
  }

  #giveBack(run: Entry, why: WaitReason): void {
    this.#taken = this.#taken.filter((one) => one !== run);
    this.#hold(run, -1);
    const begun = this.start.indexOf(run.id);
    if (begun === -1) {
      this.back.push(run.id);
      this.waits.set(run.id, why);
      return;
    }
    this.start.splice(begun, 1);
    // As before it began; there may be another place for it.
    const again = this.#queued.filter(({ id }) => id === run.id || this.#waiting.has(id));
    this.#waiting = new Map(again.map((one) => [one.id, one]));
  }

  /**
   * The first in order of those with a connector that has no place, or else of those whose connectors hold the fewest.
   * Only of those that can have one.
   */
  #fairest(): Entry | undefined {
    let best: Entry | undefined;
    let least = Number.POSITIVE_INFINITY;
    const isFull = new Map<string, boolean>();
    for (const run of this.#waiting.values()) {
      const isLeftOut = this.#isLeftOut(run);
      const holds = isLeftOut ? 0 : this.#holds(run);
      if (holds >= least) continue;
      const pair = pairOf(run);
      const isNone = isFull.get(pair) ?? this.#isFullFor(run);
      isFull.set(pair, isNone);
      if (isNone && !(isLeftOut && this.#mayReplace(run))) continue;
      best = run;
      least = holds;
      if (least === 0) break;
    }
    return best;
  }

  /** What may well stand still again at once takes no place from anybody. */
  #mayReplace(run: Entry): boolean {
    return run.waits?.kind !== 'disk' && !this.#fixed.has(pairOf(run));
  }

  /** On the same part of a target, order comes before fairness. */
  #aheadOf(run: Entry): Entry | undefined {
    for (const one of this.#waiting.values()) {
      if (one === run) break;
      if (overlaps(one, run)) return one;
    }
    return this.#reservedFor(run, run.at);
  }

  #reservedFor({ area }: Entry, beforeAt: number): Entry | undefined {
    for (const one of this.#reserved.overlapping(area)) if (one.at < beforeAt) return one;
    return undefined;
  }

  /**
   * Who gives way to a run one of whose connectors has no place at all: whoever leaves less behind than comes in. A place
   * counts for a connector as its n-th by one n-th; the sum of that only grows, so that nobody is sent to and fro.
   */
  #replacedBy(next: Entry): Entry | undefined {
    const limited = this.#limitsOf(next).flatMap(([id, { most }]) => (this.#heldBy(id) >= most ? [id] : []));
    let chosen: Entry | undefined;
    for (const run of this.#taken) {
      if (run.state !== 'running') continue;
      // There would be a place less.
      if (run.is_held_back && this.#taken.length > this.#most(run)) continue;
      if (limited.some((id) => !endsOf(run).includes(id))) continue;
      if (this.#gainOf(next, run) <= this.#worthOf(run) + EQUAL) continue;
      if (chosen === undefined || this.#isRatherGiven(run, chosen)) chosen = run;
    }
    return chosen;
  }

  /** Rather one that nobody works on, then one of those that hold most, then the last to begin. */
  #isRatherGiven(one: Entry, other: Entry): boolean {
    if ((one.workers === 0) !== (other.workers === 0)) return one.workers === 0;
    return this.#worthOf(one) <= this.#worthOf(other) + EQUAL;
  }

  /** What `run` would be worth in the place of that other one. */
  #gainOf(run: Entry, without: Entry): number {
    this.#count(without, -1);
    this.#count(run, 1);
    const worth = this.#worthOf(run);
    this.#count(run, -1);
    this.#count(without, 1);
    return worth;
  }

  /** Both ends, each as the n-th of its connector; between two places of one connector, its last two. */
  #worthOf({ source_connector_id: source, target_connector_id: target }: Entry): number {
    const [ofSource, ofTarget] = [this.#ends.get(source) ?? 0, this.#ends.get(target) ?? 0];
    return 1 / ofSource + 1 / (source === target ? ofTarget - 1 : ofTarget);
  }

  #count({ source_connector_id: source, target_connector_id: target }: Entry, more: 1 | -1): void {
    for (const id of [source, target]) this.#ends.set(id, (this.#ends.get(id) ?? 0) + more);
  }

  #isLeftOut(run: Entry): boolean {
    return endsOf(run).some((id) => !this.#held.has(id));
  }

  #holds({ source_connector_id: source, target_connector_id: target }: Entry): number {
    return this.#heldBy(source) + this.#heldBy(target);
  }

  #heldBy(connectorId: string): number {
    return this.#held.get(connectorId) ?? 0;
  }

  #hold(run: Entry, more: 1 | -1): void {
    this.#count(run, more);
    for (const id of endsOf(run)) {
      const runs = this.#heldBy(id) + more;
      if (runs === 0) this.#held.delete(id);
      else this.#held.set(id, runs);
    }
  }

  #reserve(run: Entry): void {
    this.#reserved.add(run);
  }

  #noPlace(run: Entry): WaitReason {
    const limit = this.#limitFor(run);
    if (limit !== undefined) return atTransfers(...limit);
    const { runsMax, room } = this.#places;
    return room !== null && room < runsMax ? workersBusy(room) : atLimit(runsMax);
  }
}

/** Sums of such parts may come out a little more or less. */
const EQUAL = 1e-9;

function endsOf({ source_connector_id: source, target_connector_id: target }: PlacedRun): readonly string[] {
  return source === target ? [source] : [source, target];
}

function pairOf({ source_connector_id: source, target_connector_id: target }: PlacedRun): string {
  return `${source} ${target}`;
}

function overlaps(a: Entry, b: Entry): boolean {
  return isWithin(a, b) || isWithin(b, a);
}

/** All of `a` lies in `b`. */
function isWithin(a: Entry, b: Entry): boolean {
  return a.area.startsWith(b.area);
}
