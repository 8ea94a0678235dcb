/** Each row of the provider's table of errors, provoked and told in Drover's own codes. */
import assert from 'node:assert/strict';
import { failsWith, failureOf, mayBeRetried } from './helpers.ts';
import { NotApplicable, type Check, type Harness } from './harness.ts';

const SUITE = 'errors';

export function errorChecks(harness: Harness): readonly Check[] {
  const rows = (harness.errors ?? []).map((row): Check => ({
    suite: SUITE,
    name: `${row.name} is ${row.code}`,
    async run(trial) {
      const error = await failsWith(row.code, () => row.provoke(trial.bench, trial.signal), row.name);
      if (row.field !== undefined) assert.equal(error.field, row.field, `${row.name}: the field at fault`);
      assert.ok(error.remedy.length > 5, `${row.name}: no remedy`);
    },
  }));
  return [...rows, SLOW_DOWN];
}

const SLOW_DOWN: Check = {
  suite: SUITE,
  name: 'a service that asks to slow down is THROTTLED, with the time it asked for',
  async run(trial) {
    const { faults, manifest, signal } = trial;
    if (faults === null || !faults.kinds.includes('slow-down'))
      throw new NotApplicable('its store never asks for that');
    const lister = manifest.source === null ? await trial.target() : await trial.source();
    faults.arm(1, 'slow-down');
    const error = await failureOf(lister.stat('x', signal), 'a request that was throttled');
    assert.equal(error.code, 'THROTTLED', error.message);
    assert.equal(error.retryAfterMs, 1000);
    mayBeRetried(error, 'slow-down');
    faults.disarm();
    assert.equal(await lister.stat('x', signal), null);
  },
};
