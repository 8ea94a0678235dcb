/** What any run has proved of an item is known to the next one, also where that run was no whole transfer. */
import { describe, expect, test } from 'vitest';
import { EVIDENCE_RUNS_MAX } from '../../src/engine/evidence.ts';
import type { RunResult } from '../../src/engine/world.ts';
import { DroverError } from '../../src/model/errors.ts';
import { openBench, type Bench } from './bench.ts';

/** Nothing but sizes and times can be compared here by listing. */
const MUTE = { listedDigests: [], recordsSource: false } as const;

async function bench(...keys: readonly string[]): Promise<Bench> {
  const opened = await openBench(MUTE, MUTE);
  for (const key of keys) opened.source.put('in', key, `content of ${key}`);
  return opened;
}

/** A run in which the first items arrive, and which then fails as a whole. */
async function failing(opened: Bench, last: string): Promise<RunResult> {
  opened.target.hooks.before = async (operation, key) => {
    if (operation === 'PUT' && key === last) throw new DroverError('PLACE_NOT_FOUND', 'The container is gone.');
  };
  const result = await opened.run();
  opened.target.hooks.before = async () => undefined;
  return result;
}

const SOME = ['a', 'b', 'c', 'd'];

describe('what was proved is known from', () => {
  test('a run that failed as a whole', async () => {
    await using opened = await bench(...SOME);
    const failed = await failing(opened, 'd');
    expect(failed.run.state).toBe('failed');
    const copied = (await opened.log(failed)).filter(({ result }) => result === 'copied');
    expect(copied.length).toBeGreaterThan(0);
    const next = await opened.run();
    expect(next.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: copied.length } } });
    for (const { key } of copied) {
      const record = (await opened.log(next)).find((one) => one.key === key);
      expect(record).toMatchObject({ code: 'same-snapshot', verification: copied[0]?.verification });
    }
  });

  test('a comparison that has read both sides', async () => {
    await using opened = await bench(...SOME);
    for (const key of SOME) opened.target.put('out', key, `content of ${key}`);
    const before = await opened.run({ mode: 'check' }, { command: 'check' });
    expect(before.run).toMatchObject({ state: 'completed-with-issues', counters: { sameWeak: 4 } });
    await opened.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    const after = await opened.run({ mode: 'check' }, { command: 'check' });
    expect(after.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 4 } } });
    const moved = await opened.run();
    expect(moved.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 4 } } });
    // The whole transfer knows it all by itself now.
    const again = await opened.run();
    expect(again.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 4 } } });
  });

  test('each of several runs, the newest word first', async () => {
    await using opened = await bench(...SOME);
    await failing(opened, 'c');
    await opened.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    opened.source.put('in', 'a', 'kontent of a');
    const checked = await opened.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(checked.run.counters.differences.different).toBe(1);
    const next = await opened.run();
    expect(next.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0 } });
    expect(opened.content(opened.target)).toEqual(opened.content(opened.source));
  });

  test('at most so many runs', async () => {
    await using opened = await bench('a');
    opened.target.put('out', 'a', 'content of a');
    for (let run = 0; run < EVIDENCE_RUNS_MAX + 2; run++) {
      await opened.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    }
    const { run } = await opened.run({ mode: 'check' }, { command: 'check' });
    expect(run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0 } });
  });

  test('a run before many that failed at their start', async () => {
    await using opened = await bench('a');
    opened.target.put('out', 'a', 'content of a');
    await opened.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    opened.source.hooks.before = async (operation) => {
      if (operation === 'LIST') throw new DroverError('PLACE_NOT_FOUND', 'The container is gone.');
    };
    for (let run = 0; run < EVIDENCE_RUNS_MAX; run++) expect((await opened.run()).run.state).toBe('failed');
    opened.source.hooks.before = null;
    const { run } = await opened.run({ mode: 'check' }, { command: 'check' });
    expect(run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0 } });
  });
});

describe('nothing is known from', () => {
  test('a dry run, or a comparison that looked at sizes', async () => {
    await using opened = await bench('a');
    opened.target.put('out', 'a', 'content of a');
    await opened.run({ dryRun: true, verify: 'read-back' });
    await opened.run({ mode: 'check' }, { command: 'check' });
    const { run } = await opened.run();
    expect(run).toMatchObject({ state: 'completed-with-issues', counters: { sameWeak: 1 } });
  });

  test('what has changed since', async () => {
    await using opened = await bench('a');
    opened.target.put('out', 'a', 'content of a');
    await opened.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    opened.target.put('out', 'a', 'kontent of a');
    const { run } = await opened.run({ mode: 'check' }, { command: 'check' });
    expect(run.counters.sameWeak + run.counters.differences.different).toBe(1);
  });

  test('a run whose files are gone', async () => {
    await using opened = await bench('a');
    opened.target.put('out', 'a', 'content of a');
    const { run: checked } = await opened.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    await opened.world.artifacts.removeAll(`runs/${checked.runId}/`);
    const { run } = await opened.run({ mode: 'check' }, { command: 'check' });
    expect(run).toMatchObject({ state: 'completed-with-issues', counters: { sameWeak: 1 } });
  });
});
