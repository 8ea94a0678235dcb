/**
 * Bandwidth timetables as limits. Each is one, for all runs whose jobs name it and for all workers at them: of its rate a
 * worker has an equal part, which its runs get in turn.
 */
import type { BandwidthTimetable } from '../../engine/definition.ts';
import { rateAt } from '../../engine/timetable.ts';
import { Shaper } from '../../lib/shaper.ts';
import type { Clock } from '../../lib/world.ts';
import { shareOf, workersAmong, type Participant } from './sharing.ts';
import { Turns, type Line } from './turns.ts';

export interface SavedTimetable {
  readonly id: string;
  readonly timetable: BandwidthTimetable;
}

interface SharedTable {
  table: BandwidthTimetable;
  participants: readonly Participant[];
  readonly turns: Turns;
}

/** A run's place at one of them. */
interface Holder {
  readonly tableId: string;
  readonly line: Line;
  /** It has another one by now, or none. */
  readonly moved: AbortController;
  /** Of those who take, with `moved`: each takes very often. */
  readonly signals: WeakMap<AbortSignal, AbortSignal>;
}

export class Bandwidths {
  readonly #clock: Clock;
  readonly #isAcknowledged: (runIds: readonly string[], participants: readonly Participant[]) => boolean;
  readonly #tables = new Map<string, SharedTable>();
  readonly #holders = new Map<string, Holder>();

  /** `isAcknowledged`: everybody else at it has counted this worker since it was first in one of these runs. */
  constructor(
    clock: Clock,
    isAcknowledged: (runIds: readonly string[], participants: readonly Participant[]) => boolean,
  ) {
    this.#clock = clock;
    this.#isAcknowledged = isAcknowledged;
  }

  /** What the run's job names now, and everybody who is at work on runs that name it. */
  set(runId: string, saved: SavedTimetable | null, participants: readonly Participant[]): void {
    if (saved !== null) {
      const known = this.#tables.get(saved.id) ?? this.#make(saved);
      Object.assign(known, { table: saved.timetable, participants });
    }
    if (this.#holders.get(runId)?.tableId === saved?.id) return;
    this.leave(runId);
    const shared = saved === null ? undefined : this.#tables.get(saved.id);
    if (saved === null || shared === undefined) return;
    this.#holders.set(runId, {
      tableId: saved.id,
      line: shared.turns.open(),
      moved: new AbortController(),
      signals: new WeakMap(),
    });
  }

  leave(runId: string): void {
    const holder = this.#holders.get(runId);
    if (holder === undefined) return;
    this.#holders.delete(runId);
    this.#tables.get(holder.tableId)?.turns.close(holder.line);
    if (!this.#isUsed(holder.tableId)) this.#tables.delete(holder.tableId);
    holder.moved.abort();
  }

  /** As it was saved. */
  of(runId: string): BandwidthTimetable | null {
    return this.#tableOf(runId)?.table ?? null;
  }

  /** Not all who are at work on runs that name it have counted this worker yet. */
  get isWaiting(): boolean {
    return [...this.#tables].some(([id, { participants }]) => !this.#isAcknowledged(this.#runsOf(id), participants));
  }

  /** Resolves when so many bytes of the run may go. CANCELLED. */
  async take(runId: string, bytes: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const holder = this.#holders.get(runId);
      if (holder === undefined) return;
      const { line, moved } = holder;
      try {
        await line.take(bytes, signalOf(holder, signal));
        return;
      } catch (error) {
        // What waits for one that does not hold any more is held back by the new one only.
        if (signal.aborted || !moved.signal.aborted) throw error;
      }
    }
  }

  #make({ id, timetable }: SavedTimetable): SharedTable {
    const made: SharedTable = {
      table: timetable,
      participants: [],
      turns: new Turns(new Shaper(this.#clock, (nowMs) => this.#rateOf(id, nowMs))),
    };
    this.#tables.set(id, made);
    return made;
  }

  #rateOf(id: string, nowMs: number): number | null {
    const shared = this.#tables.get(id);
    const rate = shared === undefined ? null : rateAt(shared.table, nowMs);
    if (rate === null || shared === undefined) return null;
    const { participants } = shared;
    return shareOf(rate, workersAmong(participants), this.#isAcknowledged(this.#runsOf(id), participants));
  }

  #tableOf(runId: string): SharedTable | undefined {
    const holder = this.#holders.get(runId);
    return holder === undefined ? undefined : this.#tables.get(holder.tableId);
  }

  #runsOf(tableId: string): readonly string[] {
    return [...this.#holders].flatMap(([runId, holder]) => (holder.tableId === tableId ? [runId] : []));
  }

  #isUsed(tableId: string): boolean {
    return this.#runsOf(tableId).length > 0;
  }
}

function signalOf({ moved, signals }: Holder, signal: AbortSignal): AbortSignal {
  const known = signals.get(signal);
  if (known !== undefined) return known;
  const made = AbortSignal.any([signal, moved.signal]);
  signals.set(signal, made);
  return made;
}
