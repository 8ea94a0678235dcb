/** The server's share in moving runs on: the same rounds that every worker makes, also where there is no worker. */
import { openLogs } from '../logs/service.ts';
import type { ControlWorld } from '../world.ts';
import { Dispatcher } from './dispatcher.ts';
import { FLEET_TIMING, type FleetTiming } from './timing.ts';

export interface Dispatching extends AsyncDisposable {
  /** One round now; true while there is something to come back for soon. */
  tick(): Promise<boolean>;
}

export function openDispatching(world: ControlWorld, timing: Partial<FleetTiming> = {}): Dispatching {
  const dispatcher = new Dispatcher({
    ...world,
    timing: { ...FLEET_TIMING, ...timing },
    runsAtOnceMax: world.settings.runsMax,
    append: openLogs(world).append,
  });
  dispatcher.start();
  return {
    tick: () => dispatcher.tick(),
    [Symbol.asyncDispose]: () => dispatcher.stop(),
  };
}
