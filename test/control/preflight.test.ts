/** What is looked at before a run: on a real database, with stores in memory. */
import { expect, test } from 'vitest';
import { openPreflight } from '../../src/control/jobs/preflight.ts';
import { openFleetTest } from './fleet-world.ts';
import { makeJob, PERSON, rowOpener } from './made.ts';

const never = new AbortController().signal;

test('a path below which there is nothing is refused as mistyped, until the job has moved something from there', async () => {
  await using fleet = await openFleetTest();
  const { world } = fleet;
  const right = await fleet.job({ objects: 3 });
  const { preflight } = openPreflight(world, rowOpener(world));
  await expect(preflight(PERSON, right.jobId, { count: false }, never)).resolves.toMatchObject({ ok: true });

  const target = { ...right.target, prefix: 'elsewhere/' };
  const wrong = await makeJob(world, { ...right.source, prefix: 'nowhere/' }, target);
  const refused = await preflight(PERSON, wrong.jobId, { count: false }, never);
  expect(refused.ok).toBe(false);
  expect(refused.source.at(-1)).toMatchObject({
    result: 'refused',
    message: expect.stringContaining('There is nothing at'),
    remedy: expect.stringContaining('path'),
  });

  right.from.put('box', 'nowhere/a', 'there for a while');
  await expect(preflight(PERSON, wrong.jobId, { count: false }, never)).resolves.toMatchObject({ ok: true });
  await fleet.worker('one');
  const run = await fleet.start(wrong);
  await fleet.until(run.id, 'succeeded');
  right.from.remove('box', 'nowhere/a');
  const empty = await preflight(PERSON, wrong.jobId, { count: false }, never);
  expect(empty.ok).toBe(true);
  expect(empty.source.at(-1)).toMatchObject({ result: 'warning' });
});
