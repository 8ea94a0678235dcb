/** When a worker leaves a run to the others who are at it, so that one that nobody works on finds somebody. */
import type { RunNow } from './looking.ts';
import type { FullRun } from './transfers.ts';

export interface RoomNow {
  readonly seen: readonly RunNow[];
  /** Runs in hand. */
  readonly own: ReadonlySet<string>;
  /** This worker can take part in another run. */
  readonly hasRoom: boolean;
  readonly full: ReadonlyMap<string, FullRun>;
  readonly nowMs: number;
  /** Whoever has a place takes a run meanwhile. */
  readonly patienceMs: number;
}

export function isAlone({ state, workers }: RunNow): boolean {
  return state === 'running' && workers === 0;
}

export class MakingRoom {
  /** Runs that nobody works on, and since when. */
  readonly #alone = new Map<string, number>();

  /** The run to leave, if any: one where others stay, and where this worker came last. */
  choose({ seen, own, hasRoom, full, nowMs, patienceMs }: RoomNow): string | undefined {
    const alone = seen.filter((run) => isAlone(run) && !own.has(run.id));
    for (const id of this.#alone.keys()) if (!alone.some((run) => run.id === id)) this.#alone.delete(id);
    for (const { id } of alone) if (!this.#alone.has(id)) this.#alone.set(id, nowMs);
    for (const { id } of alone) {
      if (nowMs - (this.#alone.get(id) as number) < patienceMs) continue;
      const limit = full.get(id);
      if (limit === undefined && hasRoom) continue;
      const left = seen.find(
        (run) =>
          own.has(run.id) &&
          run.workers > 1 &&
          run.is_last === true &&
          // Any other one would free no transfer of the connector that keeps it waiting.
          (limit === undefined || run.source === limit.connectorId || run.target === limit.connectorId),
      );
      if (left === undefined) continue;
      this.#alone.clear();
      return left.id;
    }
    return undefined;
  }
}
