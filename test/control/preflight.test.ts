/** What is looked at before a run: on a real database, with stores in memory. */
import { expect, test } from 'vitest';
import type { TargetFacts } from '../../src/contract/provider.ts';
import { changedSince } from '../../src/control/jobs/observing.ts';
import { NotReady } from '../../src/control/jobs/not-ready.ts';
import { openPreflight } from '../../src/control/jobs/preflight.ts';
import type { Preflight, RunKind } from '../../src/control/entities.ts';
import { DEFAULT_SETTINGS } from '../../src/control/jobs/settings.ts';
import { openRuns } from '../../src/control/runs/service.ts';
import type { Concession } from '../../src/engine/definition.ts';
import { systemClock } from '../../src/lib/system.ts';
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

  // Every right is there: nothing is to be granted.
  expect(refused.grants).toEqual([]);
  expect(new NotReady(refused)).toMatchObject({
    code: 'PREFLIGHT_FAILED',
    remedy: expect.stringMatching(/^Check the path/),
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

test('what has changed at the ends since the job was made is said before the start and in the log of the run', async () => {
  await using fleet = await openFleetTest();
  const { world } = fleet;
  const job = await fleet.job({ objects: 3 });
  const { preflight } = openPreflight(world, rowOpener(world));
  const lines: string[] = [];
  const runs = openRuns(world, {
    preflight,
    append: async (_run, { level, message }) => void (level === 'warn' && lines.push(message)),
  });
  const look = async (): Promise<readonly string[]> => {
    const { warnings } = await preflight(PERSON, job.jobId, { count: false }, never);
    return warnings.filter((words) => words.includes('has changed'));
  };
  const facts = async (): Promise<TargetFacts | null> => {
    const row = await world.db
      .selectFrom('jobs')
      .innerJoin('endpoints', 'endpoints.id', 'jobs.target_endpoint_id')
      .select('endpoints.facts')
      .where('jobs.id', '=', job.jobId)
      .executeTakeFirstOrThrow();
    return row.facts as TargetFacts | null;
  };
  // What is only learned is no change.
  expect(await facts()).toBeNull();
  expect(await look()).toEqual([]);
  expect(await facts()).toMatchObject({ createOnly: 'honoured', observedAtMs: expect.any(Number) });

  const { behaviour } = job.to;
  const honest = behaviour.facts;
  Object.assign(behaviour, { facts: { ...honest, createOnly: 'ignored' } });
  const [changed, ...more] = await look();
  expect(changed).toContain('Now: ');
  expect(more).toEqual([]);
  expect(await facts()).toMatchObject({ createOnly: 'ignored' });
  // Once more: it is not taken for granted from then on.
  expect(await look()).toEqual([changed]);
  const run = await runs.start(PERSON, job.jobId, { kind: 'transfer', trigger: 'person' }, never);
  expect(lines).toContain(changed);
  expect((await runs.snapshot(PERSON, run.id)).concessions.map(({ detail }) => `${detail}`).join()).toContain(
    changed?.split('Now: ')[1],
  );

  Object.assign(behaviour, { facts: honest });
  expect(await look()).toEqual([]);
  // What only compares writes nothing at the target, not even to find out.
  const asked = job.to.requests.OBSERVE;
  await preflight(PERSON, job.jobId, { count: false, kind: 'validate' }, never);
  expect(job.to.requests.OBSERVE).toBe(asked);
});

test('a job says later what was otherwise when it was made or its settings were changed', () => {
  const one = (aspect: Concession['aspect'], detail: string): Concession => ({ aspect, detail });
  const made = { observedAtMs: 1, isOpened: false, concessions: [one('races', 'A'), one('tags', 'B')] };
  expect(changedSince(made, made.concessions)).toEqual([]);
  expect(changedSince(made, [one('races', 'A2'), one('tags', 'B'), one('digests', 'C')])).toEqual([
    expect.stringContaining('Now: A2'),
    expect.stringContaining('Now: C'),
  ]);
  expect(changedSince(made, [one('races', 'A')])).toEqual([expect.stringContaining('no longer: B')]);
  expect(changedSince({ ...made, observedAtMs: null }, [one('races', 'A2'), one('digests', 'C')])).toEqual([
    expect.stringContaining('Now: C'),
  ]);
  expect(changedSince(null, [one('tags', 'B')])).toEqual([]);
});

test('an end that does not answer is a refusal that names it, and keeps nobody waiting for ever', async () => {
  await using fleet = await openFleetTest();
  const job = await fleet.job({ objects: 1 });
  const clock = { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 200, signal) };
  const hanging = openPreflight({ ...fleet.world, clock }, () => new Promise(() => undefined));
  const report = await hanging.preflight(PERSON, job.jobId, { count: false }, never);
  for (const side of [report.source, report.target]) {
    expect(side).toMatchObject([{ result: 'refused', message: expect.stringMatching(/"memory:.*" has not answered/) }]);
  }
});

test('a first mirror into a target that holds something is warned about, with its cap, and the run freezes what was told', async () => {
  await using fleet = await openFleetTest();
  const { world } = fleet;
  const made = await fleet.job({ objects: 3 });
  const job = await makeJob(
    world,
    made.source,
    { ...made.target, prefix: 'mirror/' },
    { mode: 'mirror', deleteShareMax: 0.5 },
  );
  const { preflight } = openPreflight(world, rowOpener(world));
  const runs = openRuns(world, { preflight, append: async () => undefined });
  const look = (kind: RunKind = 'transfer') => preflight(PERSON, job.jobId, { count: false, kind }, never);
  const aboutDeletions = ({ warnings }: Preflight) => warnings.filter((words) => words.includes('It is a mirror'));

  expect(aboutDeletions(await look())).toEqual([]);
  made.to.put(made.target.container, 'mirror/theirs', 'of somebody else');
  const report = await look();
  expect(aboutDeletions(report)).toEqual([
    expect.stringMatching(/deleted there.*more than 50 % of the objects there, nothing is deleted.*dry run first/),
  ]);
  expect(aboutDeletions(await look('dry-run'))).toEqual([]);
  expect(report.concessions.map(({ aspect }) => aspect)).toEqual(
    expect.arrayContaining(['overwrites', 'deletions', 'renames']),
  );

  const run = await runs.start(PERSON, job.jobId, { kind: 'transfer', trigger: 'person' }, never);
  const shown = (await look()).concessions;
  expect((await runs.snapshot(PERSON, run.id)).concessions).toEqual(shown);
});

test('a job that only added so far is warned about as soon as it is a mirror, until it has run as one', async () => {
  await using fleet = await openFleetTest();
  const { world } = fleet;
  const job = await fleet.job({ objects: 6 });
  job.to.put(job.target.container, 'theirs', 'of somebody else');
  await fleet.worker('one');
  await fleet.until((await fleet.start(job)).id, 'succeeded');
  const { preflight } = openPreflight(world, rowOpener(world));
  const look = async () =>
    (await preflight(PERSON, job.jobId, { count: false, kind: 'transfer' }, never)).warnings.filter((words) =>
      words.includes('has not run as a mirror yet'),
    );
  expect(await look()).toEqual([]);
  const settings = JSON.stringify({ ...DEFAULT_SETTINGS, mode: 'mirror' });
  await world.db.updateTable('jobs').set({ settings }).where('id', '=', job.jobId).execute();
  expect(await look()).toHaveLength(1);
  await fleet.until((await fleet.start(job)).id, 'succeeded');
  expect(await look()).toEqual([]);
});

test('a first mirror over what others put there stops by its cap, and says how to go on', async () => {
  await using fleet = await openFleetTest();
  const { world } = fleet;
  const made = await fleet.job({ objects: 3 });
  const container = made.target.container;
  const at = { ...made.target, prefix: 'mirror/' };
  const job = await makeJob(world, made.source, at, {
    mode: 'mirror',
    deleteShareMax: DEFAULT_SETTINGS.deleteShareMax,
  });
  for (let i = 0; i < 4; i++) made.to.put(container, `mirror/theirs-${i}`, 'of somebody else');
  await fleet.worker('one');
  const run = await fleet.start(job);
  const ended = await fleet.until(run.id, 'failed');
  expect(ended.error).toMatchObject({ code: 'GUARD_DELETE_CAP', message: expect.stringContaining('at most 50 %') });
  expect(ended.error?.remedy).toContain('deleteShareMax');
  expect(made.to.keys(container).filter((key) => key.startsWith('mirror/theirs-'))).toHaveLength(4);
});
