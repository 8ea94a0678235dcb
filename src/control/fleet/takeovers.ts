/** A line of the run's log where a worker goes on with what another one had, so that people see that one was lost. */
import type { LeaseWatcher } from '../runs/watching.ts';
import { noteInLog, type FleetWorld } from './parts.ts';

/** One that is lost leaves several segments: they are one event. */
const ONE_EVENT_MS = 60_000;

export function takeoverLines(world: FleetWorld, workerName: string): LeaseWatcher {
  const toldAtMs = new Map<string, number>();
  return {
    claimed({ runId }, _kind, isTakeover) {
      if (!isTakeover) return;
      const nowMs = world.clock.monotonic();
      for (const [id, atMs] of toldAtMs) if (nowMs - atMs >= ONE_EVENT_MS) toldAtMs.delete(id);
      if (toldAtMs.has(runId)) return;
      toldAtMs.set(runId, nowMs);
      const words = `A worker fell silent in the middle of its work; ${workerName} goes on where that one had settled things.`;
      void noteInLog(world, runId, 'warn', words, 'TAKEN_OVER');
    },
    committed: () => undefined,
    left: () => undefined,
  };
}
