/**
 * The order of test files: what takes long begins first, so that the end of a run is not one file for which everything
 * waits. Files that wait much stand between those that calculate much: they run beside each other.
 */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** As seen on two cores, in seconds. Nothing depends on it but the time a run takes. */
export const LONG: Readonly<Record<string, number>> = {
  'src/providers/s3/conformance.test.ts': 110,
  'test/soak/server-bad-days.test.ts': 130,
  'test/soak/server-gone.test.ts': 90,
  'test/control/list-plans.test.ts': 98,
  'test/soak/server-kill.test.ts': 100,
  'src/providers/azure-blob/conformance.test.ts': 80,
  'test/control/bad-days-processes.test.ts': 74,
  'test/server/fleet-journey.test.ts': 43,
  'test/cli/process.test.ts': 39,
  'test/control/bad-days.test.ts': 35,
  'test/control/fleet-limits.test.ts': 35,
  'src/control/database/supervisor.test.ts': 29,
  'test/engine/later-phases.test.ts': 28,
  'src/sim/s3-conformance.test.ts': 27,
  'test/control/fleet-leases.test.ts': 27,
  'test/control/fleet-ends.test.ts': 25,
  'test/control/restored.test.ts': 23,
  'test/soak/kill.test.ts': 22,
  'test/control/interleavings.test.ts': 20,
  'test/control/fleet-expected.test.ts': 20,
  'test/control/fleet-orders.test.ts': 17,
  'test/engine/continue.test.ts': 17,
  'test/demo.test.ts': 16,
  'test/control/fairness.test.ts': 15,
};

const PLACES = new Map(Object.keys(LONG).map((path, at) => [path, at]));

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const placeOf = ({ moduleId }: TestSpecification): number =>
      PLACES.get(relative(this.ctx.config.root, moduleId)) ?? PLACES.size;
    return others.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}
