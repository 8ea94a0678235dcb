import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placedRun } from '../../../test/control/made.ts';
import { Areas } from './areas.ts';
import { placeRuns } from './placing.ts';

const area = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 6 });

test('those that overlap are found as by looking at all of them', () => {
  fc.assert(
    fc.property(fc.array(area, { maxLength: 30 }), area, (all, asked) => {
      const areas = new Areas();
      const known: string[] = [];
      for (const one of all) {
        areas.add({ area: one });
        if (!known.some((other) => one.startsWith(other))) known.push(one);
      }
      const found = [...areas.overlapping(asked)].map((one) => one.area);
      expect(found.toSorted()).toEqual(
        known.filter((one) => one.startsWith(asked) || asked.startsWith(one)).toSorted(),
      );
    }),
    { numRuns: 5_000 },
  );
});

test('thousands of runs that wait for parts of one target are looked at in no time', () => {
  const places = { runsMax: 10, room: null, aloneMs: 1_000 };
  const busy = placedRun({ id: 'busy', state: 'running', workers: 1, target_prefix: 'some/' });
  const queued = Array.from({ length: 5_000 }, (_, at) =>
    placedRun({ id: `q${at}`, target_fingerprint: 'f'.repeat(64), target_prefix: `some/place/in/a/bucket/${at}/` }),
  );
  const began = process.cpuUsage();
  const placing = placeRuns([{ ...busy, target_fingerprint: 'f'.repeat(64) }], queued, places);
  // Far from the seconds after which a worker would have to let go of its leases.
  const { user, system } = process.cpuUsage(began);
  expect((user + system) / 1_000).toBeLessThan(1_500);
  expect(placing.start).toEqual([]);
  expect(placing.waits.get('q4999')).toMatchObject({ kind: 'target-busy', runId: 'busy' });
});
