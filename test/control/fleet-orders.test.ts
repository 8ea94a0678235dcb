/** Orders to runs, who may run when, and every kind of run. One world and two workers for all of it. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Run } from '../../src/control/entities.ts';
import { signOn } from '../../src/control/fleet/membership.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { placeRuns } from '../../src/control/fleet/placing.ts';
import { openFleet } from '../../src/control/fleet/service.ts';
import type { Worker } from '../../src/control/fleet/worker.ts';
import { SYSTEM } from '../../src/control/entities.ts';
import { DroverError } from '../../src/model/errors.ts';
import { DEFAULT_BEHAVIOUR } from '../../src/providers/memory/provider.ts';
import { expectComplete, openFleetTest, PATIENT, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { PERSON, rowOpener, placedRun } from './made.ts';

let fleet: FleetTest;
let worker: Worker;
beforeAll(async () => {
  fleet = await openFleetTest();
  worker = await fleet.worker('one', { runsAtOnceMax: 2 });
  await fleet.worker('two', { runsAtOnceMax: 2 });
});
afterAll(() => fleet[Symbol.asyncDispose]());
beforeEach(() => {
  fleet.preflight = { ...fleet.preflight, ok: true, source: [], target: [], grants: [] };
});

const MIB = 1024 * 1024;
/** A target that takes nothing large in one write. */
const IN_PARTS = { writeBytesMax: 2 * MIB, partLimits: { ...DEFAULT_BEHAVIOUR.partLimits, partBytesMax: MIB } };
const ENDED = ['succeeded', 'completed-with-issues', 'failed', 'cancelled'] as const;

function order(what: 'pause' | 'resume' | 'cancel', { id }: { id: string }): Promise<Run> {
  return fleet.runs[what](PERSON, id);
}

describe('starting', () => {
  test('freezes what the job is made of, and refuses a second one', async () => {
    const job = await fleet.job({ objects: 20, heldFrom: 10 });
    const run = await fleet.start(job);
    await expect(fleet.start(job)).rejects.toMatchObject({ code: 'GUARD_BUSY' });
    const snapshot = await fleet.runs.snapshot(PERSON, run.id);
    expect(snapshot).toMatchObject({
      settings: { mode: 'merge', dryRun: false },
      source: { connectorId: job.source.connectorId, place: { container: 'box', prefix: '' } },
      tuning: { transfersMax: null, bandwidth: null },
    });
    expect(Array.isArray(snapshot.concessions)).toBe(true);
    await order('cancel', run);
    job.release();
    await fleet.until(run.id, 'cancelled');
  });

  test('of two at the same moment makes one run', async () => {
    const job = await fleet.job({ objects: 5 });
    const tries = await Promise.allSettled([fleet.start(job), fleet.start(job), fleet.start(job)]);
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const { rows } = await sql`SELECT FROM runs WHERE job_id = ${job.jobId}`.execute(fleet.world.db);
    expect(rows).toHaveLength(1);
  });

  test('is refused with exactly what to grant, unless told otherwise', async () => {
    const job = await fleet.job({ objects: 1 });
    const line = { what: 'write', result: 'refused', message: 'May not write.', field: null, remedy: null } as const;
    const grant = { side: 'target', title: 'Assign the role', text: 'az role …', offered: null } as const;
    fleet.preflight = { ...fleet.preflight, ok: false, target: [line], grants: [grant] };
    await expect(fleet.start(job)).rejects.toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: 'Target: May not write.',
      remedyOverride: 'For the target: Assign the role: az role …',
    });
    const run = await fleet.start(job, { skipPreflight: true });
    await fleet.until(run.id, 'succeeded');
  });

  test('needs the right, and unknown things are not found', async () => {
    const job = await fleet.job({ objects: 1 });
    const viewer = fleet.world.as('viewer');
    const start = fleet.runs.start(
      viewer,
      job.jobId,
      { kind: 'transfer', trigger: 'person' },
      new AbortController().signal,
    );
    await expect(start).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(fleet.runs.pause(viewer, 'x')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(fleet.runs.get(PERSON, 'nothing')).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  });
});

describe('kinds', () => {
  test('a dry run and a validation write nothing and are no base', async () => {
    const job = await fleet.job({ objects: 8 });
    job.to.put('box', 'k/000000', 'other');
    const dry = await fleet.until((await fleet.start(job, { kind: 'dry-run' })).id, ...ENDED);
    expect(dry).toMatchObject({ state: 'succeeded', kind: 'dry-run' });
    expect(job.to.keys('box')).toEqual(['k/000000']);
    const check = await fleet.until((await fleet.start(job, { kind: 'validate' })).id, ...ENDED);
    expect(check.counters.differences).toMatchObject({ missing: 7, different: 1 });
    expect(job.to.text('box', 'k/000000')).toBe('other');
    expect(check.manifestRoot).toBeNull();
  });

  test('a retry takes only what failed, deletes nothing, and is no base', async () => {
    const targetBehaviour = { listedDigests: [], recordsSource: false };
    const job = await fleet.job({ objects: 300, settings: { mode: 'mirror' }, targetBehaviour });
    const bad = new Set(['k/000003', 'k/000150', 'k/000299']);
    job.from.hooks.reading = (key, content) => (bad.has(key) ? content.subarray(1) : content);
    const whole = await fleet.until((await fleet.start(job)).id, ...ENDED);
    expect(whole).toMatchObject({ state: 'completed-with-issues', counters: { items: { failed: 3, copied: 297 } } });
    job.from.hooks.reading = null;
    job.from.put('box', 'k/new', 'new');
    job.to.put('box', 'extra', 'extra');
    const listings = job.from.requests.LIST;
    const retry = await fleet.until((await fleet.start(job, { kind: 'retry', retryOf: whole.id })).id, ...ENDED);
    expect(retry).toMatchObject({ state: 'succeeded', retryOf: whole.id });
    expect(retry.counters.items).toMatchObject({ scanned: 3, copied: 3, failed: 0, deleted: 0 });
    expect(job.from.requests.LIST).toBe(listings);
    expect(job.to.text('box', 'k/000150')).toBe('content of 150');
    expect(job.to.keys('box')).toContain('extra');
    expect((await fleet.store.findLatestSnapshot('', (await fleet.store.getRun(retry.id))!.pairId))?.runId).toBe(
      whole.id,
    );
    // What the retry proved is known, although it is no whole transfer.
    const validation = await fleet.until((await fleet.start(job, { kind: 'validate' })).id, ...ENDED);
    expect(validation.counters).toMatchObject({ sameWeak: 0, items: { same: 300 }, differences: { different: 0 } });
    const nothing = fleet.start(job, { kind: 'retry', retryOf: retry.id });
    await expect(nothing).rejects.toMatchObject({ code: 'WRONG_STATE', field: 'retryOf' });
    await expect(fleet.start(job, { kind: 'retry' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'retryOf',
    });
  });

  test('what a cancelled run had proved is known to the next one', async () => {
    const job = await fleet.job({ objects: 40, targetBehaviour: { listedDigests: [], recordsSource: false } });
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    job.to.hooks.before = async (operation, key) => {
      if (operation === 'PUT' && key === 'k/000039') await released;
    };
    const { id } = await fleet.start(job);
    await fleet.untilTrue('the others are there', async () => job.to.keys('box').length === 39);
    await fleet.runs.cancel(PERSON, id);
    release();
    const cancelled = await fleet.until(id, ...ENDED);
    expect(cancelled.state).toBe('cancelled');
    const next = await fleet.until((await fleet.start(job)).id, ...ENDED);
    expect(next).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { scanned: 40, failed: 0 } } });
    expect(next.counters.items.same).toBeGreaterThanOrEqual(39);
    const copied = (await fleet.items(id)).filter(({ result }) => result === 'copied').length;
    expect(copied).toBeGreaterThanOrEqual(39);
  });

  test('a mirror of an empty source ends with the code of its guard', async () => {
    const job = await fleet.job({ objects: 0, settings: { mode: 'mirror' } });
    job.to.put('box', 'precious', 'x');
    const run = await fleet.until((await fleet.start(job)).id, ...ENDED);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'GUARD_EMPTY_SOURCE' } });
    expect(job.to.keys('box')).toEqual(['precious']);
    const allowed = await fleet.start(job, { allowEmptySource: true });
    expect(await fleet.until(allowed.id, ...ENDED)).toMatchObject({ state: 'succeeded' });
    expect(job.to.keys('box')).toEqual([]);
  });

  test.each([true, false])(
    'which empties the target is kept with the run as it was allowed: %s',
    async (skipPreflight) => {
      const job = await fleet.job({ objects: 1, settings: { mode: 'mirror', deleteShareMax: 'default' } });
      const deletions = {
        aspect: 'deletions',
        detail: 'A source without any objects ends the run as failed.',
      } as const;
      fleet.preflight = { ...fleet.preflight, concessions: [deletions] };
      const run = await fleet.start(job, { allowEmptySource: true, skipPreflight });
      fleet.preflight = { ...fleet.preflight, concessions: [] };
      const told = (await fleet.runs.snapshot(PERSON, run.id)).concessions.filter(
        ({ aspect }) => aspect === 'deletions',
      );
      expect(told).toMatchObject([{ detail: expect.stringMatching(/may be without any objects: then everything/) }]);
      await fleet.until(run.id, ...ENDED);
    },
  );

  test.each([
    ['default', 'succeeded', []],
    [0.5, 'failed', ['precious']],
  ] as const)('a mirror of an empty source that is allowed keeps to a chosen cap: %s', async (share, state, left) => {
    const job = await fleet.job({ objects: 0, settings: { mode: 'mirror', deleteShareMax: share } });
    job.to.put('box', 'precious', 'x');
    const run = await fleet.until((await fleet.start(job, { allowEmptySource: true })).id, ...ENDED);
    expect(run.state).toBe(state);
    expect(job.to.keys('box')).toEqual(left);
  });
});

describe('pause, resume, cancel', () => {
  test('a paused run keeps what it settled and goes on from there', async () => {
    const job = await fleet.job({ objects: 300, slowMs: 40, heldFrom: 150 });
    const { id } = await fleet.start(job);
    await fleet.untilTrue('something was copied', async () => job.to.keys('box').length > 20);
    expect((await order('pause', { id })).state).toBe('pausing');
    job.release();
    const paused = await fleet.until(id, 'paused');
    expect(paused.waits).toMatchObject({ kind: 'person', text: `Paused by ${PERSON.name}.` });
    expect((await order('pause', { id })).state).toBe('paused');
    const there = job.to.keys('box').length;
    const reads = job.from.requests.GET ?? 0;
    expect(there).toBeLessThan(300);
    await order('resume', { id });
    const run = await fleet.until(id, 'succeeded');
    await expectComplete(fleet, job, run);
    // At most what was under way when it paused is read twice.
    expect((job.from.requests.GET ?? 0) - reads).toBeLessThan(300 - there + 100);
  });

  test('a cancelled run leaves nothing half-made at its target', async () => {
    const job = await fleet.job({ objects: 1, targetBehaviour: IN_PARTS });
    job.from.put('box', 'large', new Uint8Array(8 * MIB));
    const { upload, cancelled } = halfWay(job);
    const { id } = await fleet.start(job);
    await upload;
    await order('cancel', { id });
    cancelled();
    const run = await fleet.until(id, 'cancelled');
    expect(run.endedAt).not.toBeNull();
    expect(job.to.uploads.size).toBe(0);
    expect(await fleet.store.intents(id)).toEqual([]);
    expect(fleet.lines.filter(({ runId, level }) => runId === id && level === 'warn')).toEqual([]);
    expect((await order('cancel', { id })).state).toBe('cancelled');
    await expect(order('resume', { id })).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  test('one whose target cannot be reached is cancelled all the same, and says what may remain', async () => {
    const job = await fleet.job({ objects: 0, targetBehaviour: IN_PARTS });
    job.from.put('box', 'large', new Uint8Array(8 * MIB));
    const { upload, cancelled } = halfWay(job);
    const { id } = await fleet.start(job);
    await upload;
    job.to.hooks.before = (operation) => {
      if (operation === 'ABORT' || operation === 'CONTAINERS') throw refused();
    };
    await order('cancel', { id });
    cancelled();
    await fleet.until(id, 'cancelled');
    const warnings = () => fleet.lines.filter(({ runId, level }) => runId === id && level === 'warn');
    await fleet.untilTrue('what may remain is said', async () => warnings().length > 0);
    const [line] = warnings();
    expect(line?.message).toContain('unfinished uploads may remain there: "large"');
  });

  test.each(['cancelled', 'failed'] as const)(
    'what a run moved behind an object that never arrived is in its log and in its sums: %s',
    async (end) => {
      const job = await fleet.job({ objects: 40, targetBehaviour: IN_PARTS });
      job.from.put('box', 'a-large', new Uint8Array(8 * MIB));
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      job.from.hooks.before = async (operation, key) => {
        if (key !== 'a-large' || operation !== 'CHUNK') return;
        await held;
        throw new DroverError(end === 'failed' ? 'PLACE_NOT_FOUND' : 'UNAVAILABLE', 'The bucket does not answer.');
      };
      const { id } = await fleet.start(job);
      await fleet.untilTrue('all others are there', async () => job.to.keys('box').length >= 40);
      if (end === 'cancelled') await order('cancel', { id });
      release();
      await fleet.until(id, end);
      await fleet.untilTrue('nobody clears up any more', async () => {
        const { rows } = await sql`SELECT FROM segments WHERE run_id = ${id} AND kind = 'sweep'`.execute(
          fleet.world.db,
        );
        return rows.length === 0;
      });
      const run = await fleet.runs.get(PERSON, id);
      const there = job.to.keys('box').toSorted();
      expect(there).toHaveLength(40);
      expect(run.counters.items.copied).toBe(40);
      expect((await fleet.items(id)).filter(({ result }) => result === 'copied').map(({ key }) => key)).toEqual(there);
      const { rows } = await sql<{ checkpoint: string | null }>`
        SELECT checkpoint FROM segments WHERE run_id = ${id}`.execute(fleet.world.db);
      for (const { checkpoint } of rows) expect(checkpoint ?? '').not.toContain('ahead');
    },
  );

  test.each(['pause', 'cancel'] as const)(
    '%s raced with completion ends in one of both, and nothing is stuck',
    async (what) => {
      for (let round = 0; round < 4; round++) {
        const job = await fleet.job({ objects: 12 });
        const { id } = await fleet.start(job);
        await fleet.untilTrue('it is nearly done', async () => job.to.keys('box').length >= 12 - round * 2);
        const ordered = await order(what, { id }).catch((error: { code: string }) => error.code);
        if (typeof ordered === 'string') expect(ordered).toBe('WRONG_STATE');
        const run = await fleet.until(id, ...ENDED, 'paused');
        if (run.state === 'paused') await order('resume', { id });
        const end = await fleet.until(id, ...ENDED);
        if (end.state === 'succeeded') await expectComplete(fleet, job, end);
        else expect(end.state).toBe('cancelled');
      }
    },
  );
});

describe('places', () => {
  test('so many run at once, the rest wait in order and say why', async () => {
    const jobs = await Promise.all([1, 2, 3, 4].map(() => fleet.job({ objects: 40, heldFrom: 20 })));
    const ids: string[] = [];
    for (const job of jobs) ids.push((await fleet.start(job)).id);
    await fleet.until(ids[1]!, 'running');
    await fleet.untilTrue('the fourth says why', async () => {
      const { waits, queuePlace } = await fleet.runs.get(PERSON, ids[3]!);
      return waits?.kind === 'limit' && queuePlace === 2;
    });
    const states = async () => (await fleet.runs.active()).filter(({ state }) => state === 'running').length;
    expect(await states()).toBe(2);
    await order('cancel', { id: ids[3]! });
    expect((await fleet.runs.get(PERSON, ids[3]!)).state).toBe('cancelled');
    for (const job of jobs) job.release();
    for (const id of ids.slice(0, 3)) await fleet.until(id, 'succeeded');
  });

  test('two runs never write to the same part of a target at once', async () => {
    const first = await fleet.job({ objects: 40, heldFrom: 20, targetPrefix: 'a/' });
    const inside = await fleet.job({ objects: 3, sharing: first, targetPrefix: 'a/b/' });
    const beside = await fleet.job({ objects: 3, sharing: first, targetPrefix: 'c/' });
    const { id } = await fleet.start(first);
    await fleet.until(id, 'running');
    const waiting = await fleet.start(inside);
    const free = await fleet.start(beside);
    await fleet.untilTrue('it says whom it waits for', async () => {
      const { waits } = await fleet.runs.get(PERSON, waiting.id);
      return waits?.kind === 'target-busy' && waits.runId === id;
    });
    await fleet.until(free.id, 'succeeded');
    first.release();
    await fleet.until(id, 'succeeded');
    await fleet.until(waiting.id, 'succeeded');
  });

  test('places are given by order, and never to two on one part of a target', () => {
    const row = (id: string, prefix: string, container = 'c') =>
      placedRun({ id, target_prefix: prefix, target_container: container });
    const places = { runsMax: 3, room: null, aloneMs: 1_000 };
    const queue = [row('1', 'a/x/'), row('2', 'b/'), row('4', 'd/'), row('3', '')];
    const placing = placeRuns([row('busy', 'a/')], queue, places);
    expect(placing.start).toEqual(['2', '4']);
    expect(placing.waits.get('1')).toMatchObject({ kind: 'target-busy', runId: 'busy' });
    expect(placing.waits.get('3')).toMatchObject({ kind: 'target-busy', runId: 'busy' });
    const full = placeRuns([row('busy', 'a/')], [row('1', 'a'), row('2', '', 'other')], { ...places, runsMax: 1 });
    expect(full.waits.get('2')?.kind).toBe('limit');
  });
});

describe('looking', () => {
  test('lists by filter, in order, with totals; acts on many with the number that was shown', async () => {
    const job = await fleet.job({ objects: 40, heldFrom: 20 });
    const other = await fleet.job({ objects: 40, heldFrom: 20 });
    const runs = [await fleet.start(job), await fleet.start(other)];
    const filter = { jobId: [job.jobId, other.jobId] };
    const page = await fleet.runs.list(PERSON, { filter, sort: 'queuedAt', withTotal: true });
    expect(page.items.map(({ id }) => id)).toEqual(runs.map(({ id }) => id));
    expect(page.total).toBe(2);
    const narrower: Record<string, string[]>[] = [
      { connectorId: [job.source.connectorId] },
      { jobId: [job.jobId], kind: ['transfer'] },
      { ...filter, from: [runs[0]!.queuedAt], to: [runs[1]!.queuedAt] },
      { projectId: [job.projectId] },
    ];
    for (const narrow of narrower) {
      const { items } = await fleet.runs.list(PERSON, { filter: narrow });
      expect(items.map(({ id }) => id)).toEqual([runs[0]!.id]);
    }
    await expect(fleet.runs.list(PERSON, { filter: { from: ['soon'] } })).rejects.toMatchObject({
      field: 'filter.from',
    });
    const selection = { filter, except: [], expectedCount: 3 };
    await expect(fleet.runs.bulk(PERSON, 'cancel', selection)).rejects.toMatchObject({ code: 'COUNT_CHANGED' });
    await fleet.until(runs[0]!.id, 'running');
    expect(await fleet.runs.bulk(PERSON, 'cancel', { ...selection, expectedCount: 2 })).toEqual({ changed: 2 });
    for (const one of [job, other]) one.release();
    for (const { id } of runs) await fleet.until(id, 'cancelled');
  });

  test('shows speeds, workers, segments and the map while it goes on', async () => {
    const job = await fleet.job({ objects: 400, slowMs: 20, heldFrom: 200 });
    const { id } = await fleet.start(job);
    await fleet.untilTrue('it shows life', async () => {
      const { live, counters, sequence } = await fleet.runs.get(PERSON, id);
      return live !== null && live.workers.length === 2 && sequence > 2 && counters.items.scanned > 0;
    });
    const run = await fleet.runs.get(PERSON, id);
    expect(run.live).toMatchObject({ phase: 'copying', limitedBy: { text: expect.any(String) } });
    const segments = await fleet.runs.segments(PERSON, id, {});
    expect(segments.items.some(({ state, worker: name }) => state === 'held' && name !== null)).toBe(true);
    const { cells: map } = await fleet.runs.map(PERSON, id, 24);
    expect(map.length).toBeGreaterThan(0);
    expect(map.some(({ state }) => state === 'listing')).toBe(true);
    job.release();
    await fleet.until(id, 'succeeded');
    const { cells: done } = await fleet.runs.map(PERSON, id, 24);
    expect(done.every(({ state }) => state === 'done')).toBe(true);
    expect(done.reduce((sum, { items }) => sum + items, 0)).toBe(400);
  });
});

describe('the fleet', () => {
  test('names its workers and drains one from elsewhere', async () => {
    const extra = await fleet.worker('three');
    const service = openFleet(fleet.world);
    expect((await service.list(PERSON)).filter(({ state }) => state === 'active').map(({ name }) => name)).toEqual([
      'one',
      'two',
      'three',
    ]);
    await expect(service.drain(PERSON, extra.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await service.drain(SYSTEM, extra.id);
    await extra.left;
    expect((await service.list(PERSON)).find(({ id }) => id === extra.id)?.state).toBe('gone');
  });

  test('takes no worker of another version, and none that sees another artifact store', async () => {
    const parts = {
      openConnector: rowOpener(fleet.world),
      reportHealth: async () => undefined,
      append: async () => undefined,
    };
    const identity = { name: 'odd', host: 'here', pid: 1 };
    const older = fleetWorld(
      { ...fleet.world, programVersion: '0.0.9' },
      { ...parts, timing: { ...PATIENT, goneAfterMs: 60_000 } },
    );
    await expect(signOn(older, identity)).rejects.toMatchObject({
      code: 'VERSION_MISMATCH',
      message: expect.stringContaining('"one"'),
    });
    const kept = new Map<string, Uint8Array>();
    const artifacts = {
      put: async (name: string, content: Uint8Array) => void kept.set(name, content),
      get: async (name: string) => kept.get(name) ?? null,
      list: async () => [...kept.keys()],
      removeAll: async (prefix: string) => kept.forEach((_, name) => name.startsWith(prefix) && kept.delete(name)),
    };
    const apart = fleetWorld({ ...fleet.world, artifacts }, { ...parts, timing: { ...PATIENT, goneAfterMs: 60_000 } });
    await expect(signOn(apart, identity)).rejects.toMatchObject({ code: 'ARTIFACTS_NOT_SHARED' });
    expect(worker.runs).toBeDefined();
  });
});

/** A large object of the source stands still in the middle, when its upload is open, until the run was cancelled. */
function halfWay(job: MemoryJob): { upload: Promise<void>; cancelled: () => void } {
  const [upload, cancelled] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  job.from.hooks.before = async (operation) => {
    if (operation !== 'CHUNK' || job.to.uploads.size === 0) return;
    upload.resolve();
    await cancelled.promise;
  };
  return { upload: upload.promise, cancelled: cancelled.resolve };
}

function refused(): Error {
  return new Error('the target is gone');
}
