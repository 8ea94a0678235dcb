/** A run that nobody goes on with has in its log and its sums what it moved behind an object that never arrived. */
import { expect, test } from 'vitest';
import { abandonRun } from '../../src/engine/abandon.ts';
import type { RunRecord } from '../../src/engine/ports.ts';
import { MIB } from '../../src/engine/limits.ts';
import { DroverError } from '../../src/model/errors.ts';
import { DEFAULT_BEHAVIOUR } from '../../src/providers/memory/provider.ts';
import { openBench, type Bench } from './bench.ts';

const IN_PARTS = { writeBytesMax: 2 * MIB, partLimits: { ...DEFAULT_BEHAVIOUR.partLimits, partBytesMax: MIB } };

async function stuck(bench: Bench): Promise<{ held: PromiseWithResolvers<never>; arrived: Promise<void> }> {
  const held = Promise.withResolvers<never>();
  held.promise.catch(() => undefined);
  const arrived = Promise.withResolvers<void>();
  bench.source.put('in', 'a-large', new Uint8Array(8 * MIB));
  for (let i = 0; i < 40; i++) bench.source.put('in', `k/${i}`, `content of ${i}`);
  bench.source.hooks.before = async (operation, key) => {
    if (key === 'a-large' && operation === 'CHUNK') await held.promise;
  };
  bench.target.hooks.after = () => {
    if (bench.target.keys('out').length === 40) arrived.resolve();
  };
  return { held, arrived: arrived.promise };
}

async function expectAll(bench: Bench, { runId }: RunRecord, state: string): Promise<void> {
  const run = (await bench.state.store.getRun(runId))!;
  expect(run).toMatchObject({ state, counters: { items: { scanned: 40, copied: 40 } } });
  const log = await bench.log({ run } as Parameters<Bench['log']>[0]);
  expect(log.map(({ key }) => key).toSorted()).toEqual(bench.target.keys('out').toSorted());
  expect((await bench.state.artifacts.list(`runs/${runId}/`)).filter((name) => name.includes('.ahead.'))).toEqual([]);
}

test('when it has failed for good', async () => {
  await using bench = await openBench({}, IN_PARTS);
  const { held, arrived } = await stuck(bench);
  const running = bench.run();
  await arrived;
  held.reject(new DroverError('PLACE_NOT_FOUND', 'The bucket is gone.'));
  const result = await running;
  expect(result.error?.code).toBe('PLACE_NOT_FOUND');
  await expectAll(bench, result.run, 'failed');
  expect(result.run.counters.items.copied).toBe(40);
});

test('when it is given up after it was stopped', async () => {
  await using bench = await openBench({}, IN_PARTS);
  const { held, arrived } = await stuck(bench);
  const stopper = new AbortController();
  const running = bench.run({}, { signal: stopper.signal });
  await arrived;
  stopper.abort();
  held.reject(new DroverError('UNAVAILABLE', 'It does not answer.'));
  const { run } = await running;
  expect(run.state).toBe('paused');
  const { target } = await bench.ends(run.runId);
  await abandonRun(run, target, bench.world, new AbortController().signal);
  await expectAll(bench, run, 'cancelled');
});
