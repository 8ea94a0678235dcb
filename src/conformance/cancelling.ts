/** A signal stops everything, at once, as CANCELLED, and leaves nothing half-done. */
import assert from 'node:assert/strict';
import { ACTIONS, outcomeOf, staged, type Action } from './actions.ts';
import { NotApplicable, type Check } from './harness.ts';

const SUITE = 'cancelling';

/** More requests than any of the actions takes. */
const REQUESTS_MAX = 40;

const ALREADY: readonly Check[] = ACTIONS.map((action) => ({
  suite: SUITE,
  name: `a signal that fired before: ${action.name}`,
  unless: action.unless,
  async run(trial) {
    const stage = await staged(trial, action);
    const before = (await trial.bench.keys()).toSorted();
    const error = await outcomeOf(action.run(stage, AbortSignal.abort()), action.name);
    assert.equal(error?.code, 'CANCELLED', error?.message ?? 'it went on');
    assert.deepEqual((await trial.bench.keys()).toSorted(), before);
    await action.afterFailure(stage);
  },
}));

/** A signal that fires when it is looked at for the n-th time: a cancellation at every point where one is possible. */
function signalAt(nth: number): { readonly signal: AbortSignal; readonly hasFired: () => boolean } {
  const controller = new AbortController();
  const { signal } = controller;
  let looks = 0;
  const look = (): void => {
    looks += 1;
    if (looks === nth) controller.abort();
  };
  // A real signal, because whatever is below (fetch, streams) takes only real ones.
  const isAborted = Reflect.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get as () => boolean;
  const { addEventListener, throwIfAborted } = signal;
  Object.defineProperties(signal, {
    aborted: {
      get() {
        look();
        return isAborted.call(signal);
      },
    },
    addEventListener: {
      value: (...given: Parameters<AbortSignal['addEventListener']>) => {
        addEventListener.apply(signal, given);
        // Afterwards, so that whoever listens hears it.
        look();
      },
    },
    throwIfAborted: {
      value: () => {
        look();
        throwIfAborted.call(signal);
      },
    },
  });
  return { signal, hasFired: () => isAborted.call(signal) };
}

async function atEveryLook(action: Action, trial: Parameters<Check['run']>[0]): Promise<void> {
  const stage = await staged(trial, action);
  for (let nth = 1; nth <= 200; nth++) {
    const { signal, hasFired } = signalAt(nth);
    const error = await outcomeOf(action.run(stage, signal), `${action.name}, look ${nth}`);
    if (!hasFired()) {
      assert.equal(error, null, `${action.name} failed without a cause: ${error?.message}`);
      assert.ok(nth > 1, 'the signal was never looked at');
      return;
    }
    // A signal that fires after the last thing was done comes too late.
    if (error !== null) {
      assert.equal(error.code, 'CANCELLED', `${action.name}, look ${nth}: ${error.message}`);
      await action.afterFailure(stage);
    }
    await action.reset?.(stage);
  }
}

const AT_EVERY_LOOK: readonly Check[] = ACTIONS.map((action) => ({
  suite: SUITE,
  name: `at every point where the signal is looked at: ${action.name}`,
  unless: action.unless,
  run: (trial) => atEveryLook(action, trial),
}));

const STALLED: readonly Check[] = ACTIONS.map((action) => ({
  suite: SUITE,
  name: `while the service does not answer, at each request in turn: ${action.name}`,
  unless: action.unless,
  async run(trial) {
    const { faults } = trial;
    if (faults === null || !faults.kinds.includes('stall')) throw new NotApplicable('its store cannot stand still');
    const stage = await staged(trial, action);
    for (let nth = 1; nth <= REQUESTS_MAX; nth++) {
      const controller = new AbortController();
      faults.arm(nth, 'stall');
      const work = outcomeOf(action.run(stage, controller.signal), `${action.name}, request ${nth}`);
      await Promise.race([work, faults.fired]);
      if (!faults.hasFired) {
        faults.disarm();
        assert.equal(await work, null);
        return;
      }
      controller.abort();
      const error = await work;
      faults.disarm();
      assert.equal(error?.code, 'CANCELLED', `request ${nth}: ${error?.message ?? 'it went on'}`);
      await action.afterFailure(stage);
      await action.reset?.(stage);
    }
  },
}));

export const CANCELLING: readonly Check[] = [...ALREADY, ...AT_EVERY_LOOK, ...STALLED];
