/** What a run of the server promises from what was known before it began. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RunLive } from '../../src/control/entities.ts';
import { counted } from '../../src/control/jobs/estimate.ts';
import { jobFacts } from '../../src/control/jobs/rows.ts';
import { DroverError } from '../../src/model/errors.ts';
import { DEFAULT_POLICY } from '../../src/model/policy.ts';
import { openFleetTest, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { PERSON, rowOpener } from './made.ts';

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

/** From now on each request of these stores takes so long. */
function slow({ from }: MemoryJob, delayMs: number): void {
  from.hooks.before = async () => new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** What the run showed while it listed, once a time was told. */
async function shownWhileListing(runId: string): Promise<RunLive> {
  const shown: RunLive[] = [];
  await fleet.untilTrue('the run tells a time while it lists', async () => {
    const { live, endedAt } = await fleet.runs.get(PERSON, runId);
    if (endedAt !== null) throw new Error('It ended without a word.');
    if (live !== null && !live.listingComplete && live.remaining !== null) shown.push(live);
    return shown.length > 0;
  });
  return shown[0] as RunLive;
}

test('the second run knows from the first one how much there is, while it still lists', async () => {
  const job = await fleet.job({ objects: 2_000 });
  await fleet.worker('one', { segmentsMax: 1 });
  const first = await fleet.start(job);
  expect(first.expected).toBeNull();
  await fleet.until(first.id, 'succeeded');
  // So many pages that it goes on for long, however slowly somebody looks.
  slow(job, 250);
  const second = await fleet.start(job);
  expect(second.expected).toEqual({ items: 2_000, sizeBytes: 28_890, basis: 'last-run', runId: first.id });
  const shown = await shownWhileListing(second.id);
  expect(shown.totals).toMatchObject({ items: 2_000, isExact: false });
  expect(['low', 'medium']).toContain(shown.remaining?.confidence);
  expect(shown.percent).toBeLessThan(100);
  await fleet.runs.pause(PERSON, second.id);
  await fleet.until(second.id, 'paused');
  await fleet.runs.resume(PERSON, second.id);
  expect((await shownWhileListing(second.id)).percent).toBeGreaterThanOrEqual(shown.percent ?? 100);
  job.from.hooks.before = null;
  await fleet.until(second.id, 'succeeded');
});

test('what was counted before the first run is what that one expects; a repetition expects what failed', async () => {
  const filter = { ...DEFAULT_POLICY.filter, exclude: ['k/00000*'] };
  const job = await fleet.job({ objects: 30, settings: { filter } });
  const facts = await jobFacts(fleet.world.db, job.jobId);
  const estimate = await counted(fleet.world, rowOpener(fleet.world), facts, new AbortController().signal);
  expect(estimate.items).toBe(20);
  job.to.hooks.before = async (operation, key) => {
    if (operation === 'PUT' && key === 'k/000017') throw new DroverError('CORRUPTED', 'Not this one.');
  };
  const run = await fleet.start(job);
  // Also what is left out is looked at.
  expect(run.expected).toMatchObject({ items: 30, basis: 'counted', runId: null });
  await fleet.worker('one');
  const ended = await fleet.until(run.id, 'completed-with-issues');
  expect(ended.counters.items.failed).toBe(1);
  const again = await fleet.start(job, { kind: 'retry', retryOf: run.id });
  expect(again.expected).toEqual({ items: 1, sizeBytes: null, basis: 'retried-run', runId: run.id });
});
