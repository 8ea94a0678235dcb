/**
 * Work that is due: schedules, reports, messages, inventories, retention. Each kind keeps its queue in its own table,
 * where people see it too, and takes from it with SKIP LOCKED, so that any number of servers may look at once.
 */
import type { Clock, Log } from '../lib/world.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import type { Bus, Topic } from './world.ts';

export interface DueWork {
  readonly name: string;
  /** How long to wait after a look that found nothing. */
  readonly everyMs: number;
  /** Changes that may have made something due: then the next look comes at once. */
  readonly wakeOn: readonly Topic[];
  /** Does what is due and says how much that was. A fault is logged, and the next look comes a little later. */
  tick(signal: AbortSignal): Promise<number>;
}

const AFTER_FAULT_MS = 5_000;

export interface DueWorld {
  readonly clock: Clock;
  readonly log: Log;
  readonly bus: Bus;
}

/** Until it is disposed of: then what has begun is stopped by its signal and waited for. */
export function startDueWork(world: DueWorld, kinds: readonly DueWork[]): AsyncDisposable {
  const stopper = new AbortController();
  const loops = kinds.map(async (kind) => loop(world, kind, stopper.signal));
  return {
    async [Symbol.asyncDispose]() {
      stopper.abort();
      await Promise.all(loops);
    },
  };
}

async function loop({ clock, log, bus }: DueWorld, kind: DueWork, signal: AbortSignal): Promise<void> {
  let waker = new AbortController();
  let isWanted = false;
  const want = (): void => {
    isWanted = true;
    waker.abort();
  };
  const ignore = bus.listen((topic) => kind.wakeOn.includes(topic) && want(), want);
  try {
    while (!signal.aborted) {
      isWanted = false;
      const handled = await look(kind, log, signal);
      if (handled === null) {
        // Not woken early: what fails may itself tell the change that it waits for.
        await clock.sleep(Math.min(kind.everyMs, AFTER_FAULT_MS), signal).catch(awake);
        continue;
      }
      if (handled > 0 || isWanted) continue;
      waker = new AbortController();
      await clock.sleep(kind.everyMs, AbortSignal.any([signal, waker.signal])).catch(awake);
    }
  } finally {
    ignore();
  }
}

/** `null`: it failed. */
async function look(kind: DueWork, log: Log, signal: AbortSignal): Promise<number | null> {
  try {
    return await kind.tick(signal);
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (!signal.aborted)
      log('warn', `Work on ${kind.name} failed and is tried again.`, { code: error.code, error: error.message });
    return null;
  }
}

function awake(error: unknown): void {
  if (!(error instanceof DroverError) || error.code !== 'CANCELLED') throw error;
}
