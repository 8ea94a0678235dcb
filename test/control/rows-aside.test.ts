/** What a run has moved is in its copy log and its sums at last, however long the artifact store is away after its end. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Dispatcher } from '../../src/control/fleet/dispatcher.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { refuseHalfLog } from '../../src/control/runs/store-aside.ts';
import type { ArtifactStore } from '../../src/engine/ports.ts';
import { DroverError } from '../../src/model/errors.ts';
import { DEFAULT_BEHAVIOUR } from '../../src/providers/memory/provider.ts';
import { openFleetTest, PATIENT, SHORT, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { PERSON, rowOpener } from './made.ts';

const MIB = 1024 * 1024;
const IN_PARTS = { writeBytesMax: 2 * MIB, partLimits: { ...DEFAULT_BEHAVIOUR.partLimits, partBytesMax: MIB } };
const OBJECTS = 40;
const ODD = '!\u0000\ud800';

let fleet: FleetTest;
/** What becomes of whoever reads rows that were kept aside; only who clears up, or goes on, does. */
let reading: 'works' | 'is away' | 'hangs' | 'is damaged';
let looks: number;
/** Before the next record is written. */
let meanwhile: (() => Promise<unknown>) | null;

beforeEach(async () => {
  fleet = await openFleetTest();
  reading = 'works';
  looks = 0;
  meanwhile = null;
});
afterEach(() => fleet[Symbol.asyncDispose]());

function artifacts(): ArtifactStore {
  const inner = fleet.world.artifacts;
  return {
    async put(name, content) {
      const first = meanwhile;
      meanwhile = null;
      await first?.();
      await inner.put(name, content);
    },
    list: (prefix) => inner.list(prefix),
    removeAll: (prefix) => inner.removeAll(prefix),
    async get(name) {
      if (!name.includes('.ahead.') || reading === 'works') return inner.get(name);
      looks += 1;
      if (reading === 'is damaged') return new Uint8Array([1, 2, 3]);
      if (reading === 'is away') throw new DroverError('UNREACHABLE', 'The disk of the records is away.');
      return new Promise(() => undefined);
    },
  };
}

const worker = (name: string) => fleet.worker(name, {}, { artifacts: artifacts() });

/** A run that has moved all but its first object, of which nothing comes before `release`. */
async function stuck(): Promise<{
  job: MemoryJob;
  id: string;
  release: () => void;
  fail: (code: 'PLACE_NOT_FOUND') => void;
}> {
  const job = await fleet.job({ objects: OBJECTS - 1, targetBehaviour: IN_PARTS });
  // Is settled before the large one, and its name is none that the database reads as JSON.
  job.from.put('box', ODD, 'odd');
  job.from.put('box', 'a-large', new Uint8Array(8 * MIB));
  const held = Promise.withResolvers<void>();
  held.promise.catch(() => undefined);
  job.from.hooks.before = async (operation, key) => {
    if (key === 'a-large' && operation === 'CHUNK') await held.promise;
  };
  const { id } = await fleet.start(job);
  await fleet.untilTrue('all others are there', async () => job.to.keys('box').length >= OBJECTS);
  const reject = (code: 'PLACE_NOT_FOUND' | 'UNAVAILABLE') => held.reject(new DroverError(code, 'It does not answer.'));
  return { job, id, release: () => reject('UNAVAILABLE'), fail: reject };
}

const isSwept = async (id: string): Promise<boolean> => {
  const { rows } = await sql`SELECT FROM segments WHERE run_id = ${id} AND kind = 'sweep'`.execute(fleet.world.db);
  return rows.length === 0;
};

const linesOf = (id: string, code: string) => fleet.lines.filter((line) => line.runId === id && line.code === code);

async function expectAllOfIt(job: MemoryJob, id: string): Promise<void> {
  const there = job.to.keys('box').toSorted();
  expect(there).toHaveLength(OBJECTS);
  expect((await fleet.runs.get(PERSON, id)).counters.items).toMatchObject({ scanned: OBJECTS, copied: OBJECTS });
  expect((await fleet.store.getRun(id))?.counters.items.copied).toBe(OBJECTS);
  const copied = (await fleet.items(id)).filter(({ result }) => result === 'copied');
  expect(copied.map(({ key }) => key)).toEqual(there);
}

describe('rows that were kept aside', () => {
  test.each(['cancelled', 'failed'] as const)('join the log and the sums when the store is back: %s', async (end) => {
    await worker('one');
    await worker('two');
    const { job, id, release, fail } = await stuck();
    reading = 'is away';
    if (end === 'cancelled') {
      await fleet.runs.cancel(PERSON, id);
      release();
    } else fail('PLACE_NOT_FOUND');
    await fleet.until(id, end);
    await fleet.untilTrue('it was tried a few times', async () => looks >= 4);
    expect(linesOf(id, 'ROWS_MISSING')).toMatchObject([{ level: 'warn', message: expect.stringContaining('is away') }]);
    expect((await fleet.runs.get(PERSON, id)).counters.items.copied).toBe(1);
    expect(await isSwept(id)).toBe(false);
    // Neither is made of half a log.
    const early = { code: 'WRONG_STATE', message: expect.stringContaining('not in its copy log yet') };
    await expect(fleet.start(job, { kind: 'retry', retryOf: id })).rejects.toMatchObject(early);
    await expect(refuseHalfLog(fleet.world.db, await fleet.runs.get(PERSON, id))).rejects.toMatchObject(early);
    reading = 'works';
    await fleet.untilTrue('nobody clears up any more', () => isSwept(id));
    await refuseHalfLog(fleet.world.db, await fleet.runs.get(PERSON, id));
    await expectAllOfIt(job, id);
    expect(linesOf(id, 'ROWS_MISSING')).toHaveLength(1);
    await fleet.untilTrue('that it is mended is said', async () => linesOf(id, 'ROWS_JOINED').length > 0);
    expect(linesOf(id, 'ROWS_JOINED')).toMatchObject([{ message: expect.stringContaining('40 objects looked at') }]);
  });

  test('of a run that had failed are told with what they make the sums', async () => {
    await worker('one');
    const { job, id, fail } = await stuck();
    fail('PLACE_NOT_FOUND');
    await fleet.until(id, 'failed');
    await fleet.untilTrue('nobody clears up any more', () => isSwept(id));
    await expectAllOfIt(job, id);
    await fleet.untilTrue('that is said', async () => linesOf(id, 'ROWS_JOINED').length > 0);
    expect(linesOf(id, 'ROWS_JOINED')).toMatchObject([{ message: expect.stringContaining('40 transferred') }]);
    expect(linesOf(id, 'ROWS_MISSING')).toEqual([]);
  });

  test('are joined by another worker, when whoever tried is gone', async () => {
    const one = await worker('one');
    const { job, id, release } = await stuck();
    reading = 'is away';
    await fleet.runs.cancel(PERSON, id);
    release();
    await fleet.until(id, 'cancelled');
    await one.drain();
    reading = 'works';
    await worker('two');
    await fleet.untilTrue('nobody clears up any more', () => isSwept(id));
    await expectAllOfIt(job, id);
  });

  test('are left alone when the run is deleted', async () => {
    const one = await worker('one');
    const { id, release } = await stuck();
    reading = 'is away';
    await fleet.runs.cancel(PERSON, id);
    release();
    await fleet.until(id, 'cancelled');
    await fleet.untilTrue('it was tried', async () => looks > 0);
    await fleet.runs.remove(PERSON, id, { forgetUploads: true });
    reading = 'works';
    await one.drain();
    const filesOf = (prefix: string) => fleet.world.artifacts.list(prefix);
    expect(await filesOf(`runs/${id}/`)).toEqual([]);
    await worker('two');
    const other = await fleet.start(await fleet.job({ objects: 3 }));
    await fleet.until(other.id, 'succeeded');
    expect(linesOf(id, 'ROWS_JOINED')).toEqual([]);
    expect(await isSwept(id)).toBe(true);
  });

  test('leave no file behind when the logs of the run go in the same moment', async () => {
    await worker('one');
    const { id, release } = await stuck();
    reading = 'is away';
    await fleet.runs.cancel(PERSON, id);
    release();
    await fleet.until(id, 'cancelled');
    await fleet.untilTrue('it was tried', async () => looks > 0);
    let isGone = false;
    meanwhile = async () => {
      await sql`UPDATE runs SET logs_expired = true WHERE id = ${id}`.execute(fleet.world.db);
      await fleet.world.artifacts.removeAll(`runs/${id}/`);
      isGone = true;
    };
    reading = 'works';
    await fleet.untilTrue('nobody clears up any more', async () => isGone && isSwept(id));
    expect(await fleet.world.artifacts.list(`runs/${id}/`)).toEqual([]);
    expect(linesOf(id, 'ROWS_JOINED')).toEqual([]);
  });

  test('hold up no end where the store hangs', async () => {
    await fleet.worker('one', { timing: { ...PATIENT, sweepMsMax: 300 } }, { artifacts: artifacts() });
    const { job, id, release } = await stuck();
    reading = 'hangs';
    await fleet.runs.cancel(PERSON, id);
    release();
    await fleet.until(id, 'cancelled');
    reading = 'works';
    await fleet.untilTrue('nobody clears up any more', () => isSwept(id));
    await expectAllOfIt(job, id);
  });

  test('that cannot be read for good are given up, and said', async () => {
    await worker('one');
    const { id, release } = await stuck();
    reading = 'is damaged';
    await fleet.runs.cancel(PERSON, id);
    release();
    await fleet.until(id, 'cancelled');
    await fleet.untilTrue('nobody clears up any more', () => isSwept(id));
    await fleet.untilTrue('that is said', async () => linesOf(id, 'ROWS_MISSING').length > 1);
    expect(linesOf(id, 'ROWS_MISSING')).toHaveLength(2);
    expect(linesOf(id, 'ROWS_MISSING').at(-1)?.message).toMatch(/not be tried again/);
    expect(linesOf(id, 'ROWS_JOINED')).toEqual([]);
  });

  test('of a run that was cancelled while no worker was there wait for one', async () => {
    const one = await worker('one');
    const { job, id, release } = await stuck();
    await fleet.runs.pause(PERSON, id);
    release();
    await fleet.until(id, 'paused');
    await one.drain();
    await fleet.runs.cancel(PERSON, id);
    const parts = {
      openConnector: rowOpener(fleet.world),
      reportHealth: async () => undefined,
      timing: { ...SHORT, goneAfterMs: 1 },
    };
    const append = async () => undefined;
    const dispatcher = new Dispatcher(fleetWorld(fleet.world, { ...parts, append }));
    await fleet.untilTrue('it is cancelled all the same', async () => {
      await dispatcher.tick();
      return (await fleet.runs.get(PERSON, id)).state === 'cancelled';
    });
    expect(await isSwept(id)).toBe(false);
    await worker('two');
    await fleet.untilTrue('nobody clears up any more', () => isSwept(id));
    await expectAllOfIt(job, id);
  });
});
