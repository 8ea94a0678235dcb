/** Each request of an operation fails in turn: the error may be retried, nothing half-done is visible, repeating works. */
import assert from 'node:assert/strict';
import { ACTIONS, outcomeOf, staged } from './actions.ts';
import type { FaultKind } from './faults.ts';
import { mayBeRetried } from './helpers.ts';
import { NotApplicable, type Check } from './harness.ts';

const SUITE = 'faults';

/** More requests than any of the actions takes. */
const REQUESTS_MAX = 40;

const KINDS: readonly FaultKind[] = ['reset', 'lost-answer', 'status-500', 'early-end', 'broken-body'];

export const DISTURBING: readonly Check[] = ACTIONS.flatMap((action) =>
  KINDS.map((kind): Check => ({
    suite: SUITE,
    name: `${kind} at each request in turn: ${action.name}`,
    unless: action.unless,
    async run(trial) {
      const { faults, retry, signal } = trial;
      if (faults === null || !faults.kinds.includes(kind)) throw new NotApplicable('its store knows no such fault');
      const stage = await staged(trial, action);
      for (let nth = 1; nth <= REQUESTS_MAX; nth++) {
        const what = `${kind} at request ${nth}`;
        faults.arm(nth, kind);
        const run = (): Promise<void> => action.run(stage, signal);
        const error = await outcomeOf(retry === null ? run() : retry(run, signal), what);
        const { hasFired } = faults;
        faults.disarm();
        if (retry !== null) assert.equal(error, null, `${what}, with retries: ${error?.code} ${error?.message}`);
        if (!hasFired) {
          assert.equal(error, null, `${what} never came, but it failed: ${error?.code} ${error?.message}`);
          return;
        }
        if (error !== null) {
          mayBeRetried(error, what);
          await action.afterFailure(stage);
          const again = await outcomeOf(run(), `${what}, again`);
          assert.equal(again, null, `repeating after ${what}: ${again?.code} ${again?.message}`);
        }
        await action.reset?.(stage);
      }
      assert.fail(`more than ${REQUESTS_MAX} requests`);
    },
  })),
);
