/** What workers and dispatchers are given beside the world. */
import type { NewRunLogLine, RunLogLine } from '../entities.ts';
import type { Connectors } from '../services.ts';
import type { ControlWorld, OpenConnector } from '../world.ts';
import { newId } from '../ids.ts';
import { Traffic } from '../metrics/traffic.ts';
import { FLEET_TIMING, type FleetTiming } from './timing.ts';

export interface FleetParts {
  readonly openConnector: OpenConnector;
  readonly reportHealth: Connectors['reportHealth'];
  /** Writes a line of the run's log. */
  readonly append: (runId: string, line: NewRunLogLine) => Promise<void>;
  readonly timing?: Partial<FleetTiming>;
  /** Runs that go on at once, over all workers. */
  readonly runsAtOnceMax?: number;
}

/** What it takes to move runs on from state to state. */
export interface DispatchWorld extends ControlWorld {
  readonly timing: FleetTiming;
  readonly runsAtOnceMax: number;
  readonly append: FleetParts['append'];
}

/** The world of a worker: everything with its defaults filled in. */
export interface FleetWorld extends DispatchWorld {
  readonly parts: FleetParts;
  /** What this process has counted of each connector. */
  readonly traffic: Traffic;
}

export const RUNS_AT_ONCE_MAX = 10;

export function fleetWorld(world: ControlWorld, parts: FleetParts): FleetWorld {
  return {
    ...world,
    parts,
    traffic: new Traffic(newId(world)),
    timing: { ...FLEET_TIMING, ...parts.timing },
    runsAtOnceMax: parts.runsAtOnceMax ?? RUNS_AT_ONCE_MAX,
    append: parts.append,
  };
}

/** A line that is nice to have: losing it stops nothing. */
export async function noteInLog(
  world: DispatchWorld,
  runId: string,
  level: RunLogLine['level'],
  message: string,
  code: string | null = null,
): Promise<void> {
  try {
    await world.append(runId, { level, message, code });
  } catch (error) {
    world.log('warn', 'A line of the run log could not be written.', {
      run: runId,
      line: message,
      error: String(error),
    });
  }
}
