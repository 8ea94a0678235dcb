import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow } from '../../../test/control/made.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import { setRunsMax } from '../fleet/installation.ts';
import { openLogs } from '../logs/service.ts';
import { openRuns } from '../runs/service.ts';
import { openTestWorld } from '../testing.ts';
import { openOverview } from './service.ts';

test('the first page says what needs somebody, what runs and what a day brought', async () => {
  await using world = await openTestWorld();
  const connector = { provider: 'memory', config: {} };
  const broken = await makeConnector(world, { ...connector, fingerprint: 'f' });
  const fine = await makeConnector(world, { ...connector, fingerprint: 'g' });
  const reason = JSON.stringify({ code: 'UNAUTHENTICATED', message: 'The key is gone.' });
  await sql`UPDATE connectors SET health = 'needs-attention', health_reason = ${reason}::jsonb WHERE id = ${broken}`.execute(
    world.db,
  );
  const job = await makeJob(world, { connectorId: fine, container: 's' }, { connectorId: broken, container: 't' });
  const counters = (copied: number, failed: number) =>
    JSON.stringify({
      ...ZERO_COUNTERS,
      items: { ...ZERO_COUNTERS.items, copied, failed },
      bytes: { scanned: 0, copied: copied * 10 },
    });
  for (const [id, state, copied, failed, daysAgo] of [
    ['overview1', 'paused', 5, 0, null],
    ['overview2', 'queued', 0, 0, null],
    ['overview3', 'running', 7, 1, null],
    ['overview4', 'succeeded', 100, 2, 0.5],
    ['overview5', 'succeeded', 1_000, 0, 2],
    ['overview6', 'failed', 0, 0, 0.1],
  ] as const) {
    await makeRunRow(world, job, id, { state });
    await sql`UPDATE runs SET counters = ${counters(copied, failed)}::jsonb,
      ended_at = now() - ${daysAgo} * interval '1 day' WHERE id = ${id}`.execute(world.db);
  }
  await sql`INSERT INTO run_items (run_id, segment_id, result, code, size_bytes, key_text, record)
    VALUES ('overview4', 's', 'failed', 'CHANGED', 1, 'k', '{}')`.execute(world.db);
  const unused = async (): Promise<never> => Promise.reject(new Error('nothing starts here'));
  const runs = openRuns(world, { preflight: unused, append: unused });
  const schedules = { list: async () => ({ items: [], nextCursor: null, total: null }) };
  const overview = openOverview(world, { runs, schedules, logs: openLogs(world) });
  const shown = await overview(world.as('viewer'));
  expect(shown).toMatchObject({
    asOf: expect.stringMatching(/^\d{4}-.*Z$/),
    moreAttention: false,
    running: [{ id: 'overview3' }],
    runningTotal: 1,
    queued: 1,
    runsMax: 10,
    today: { items: 107, bytes: 1_070, failed: 3, runs: 3, failedRuns: 1 },
    codes: [{ code: 'CHANGED', items: 1 }],
    nextSchedules: [],
  });
  expect(shown.attention).toHaveLength(3);
  expect(shown.attention).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'connector', id: broken, text: 'The key is gone.', runs: 1 }),
      expect.objectContaining({ kind: 'run', id: 'overview6' }),
      expect.objectContaining({ kind: 'worker', id: null, runs: 2 }),
    ]),
  );
  await setRunsMax(world.db, 3);
  expect(await overview(world.as('viewer'))).toMatchObject({ runsMax: 3 });
});
