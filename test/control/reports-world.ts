/** A fleet with one worker, and the reports about what it did. */
import type { Run } from '../../src/control/entities.ts';
import type { StartRun } from '../../src/control/services.ts';
import { openReports, type ReportsWithWork } from '../../src/control/reports/service.ts';
import { openFleetTest, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { rowOpener } from './made.ts';

export interface ReportsTest {
  readonly fleet: FleetTest;
  readonly reports: ReportsWithWork;
  /** Starts one, and gives it as it was at its end. */
  run(job: MemoryJob, input?: Partial<StartRun>): Promise<Run>;
}

export async function openReportsTest(): Promise<ReportsTest> {
  const fleet = await openFleetTest();
  await fleet.worker('one', { runsAtOnceMax: 2 });
  const { world, store, runs } = fleet;
  return {
    fleet,
    reports: openReports(world, { store, openConnector: rowOpener(world), runOf: runs.get, snapshotOf: runs.snapshot }),
    async run(job, input = {}) {
      const { id } = await fleet.start(job, input);
      return fleet.until(id, 'succeeded', 'completed-with-issues', 'failed', 'cancelled');
    },
  };
}
