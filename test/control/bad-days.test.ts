/** What workers live through: each time nothing is lost, settled twice or stuck. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DroverError } from '../../src/model/errors.ts';
import { systemClock } from '../../src/lib/system.ts';
import type { ArtifactStore } from '../../src/engine/ports.ts';
import { DEFAULT_BEHAVIOUR } from '../../src/providers/memory/provider.ts';
import {
  expectComplete,
  looksInVain,
  openFleetTest,
  PATIENT,
  setHealth,
  SHORT,
  type FleetTest,
  type MemoryJob,
} from './fleet-world.ts';
import { PERSON } from './made.ts';

const MIB = 1024 * 1024;
const IN_PARTS = { writeBytesMax: 2 * MIB, partLimits: { ...DEFAULT_BEHAVIOUR.partLimits, partBytesMax: MIB } };

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

async function underWay(job: MemoryJob): Promise<string> {
  const { id } = await fleet.start(job);
  await fleet.untilTrue('something was copied', async () => job.to.keys('box').length > 10);
  return id;
}

/** Everything that side is asked from now on fails like this. */
function breakStore(store: MemoryJob['from'], code: 'UNAUTHENTICATED' | 'UNREACHABLE' | 'PLACE_NOT_FOUND'): () => void {
  const before = store.hooks.before ?? null;
  store.hooks.before = () => {
    throw new DroverError(code, `The store says ${code}.`);
  };
  return () => {
    store.hooks.before = before;
  };
}

describe('credentials', () => {
  test.each(['source', 'target'] as const)(
    'of the %s revoked in mid-run pause it, and authorizing anew lets it go on by itself',
    async (side) => {
      await Promise.all([fleet.worker('one'), fleet.worker('two')]);
      const job = await fleet.job({ objects: 400, slowMs: 60 });
      const id = await underWay(job);
      const mend = breakStore(side === 'source' ? job.from : job.to, 'UNAUTHENTICATED');
      const paused = await fleet.until(id, 'paused');
      const { connectorId } = job[side];
      expect(paused.waits).toMatchObject({ kind: 'attention', connectorId });
      expect(paused.error).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(paused.counters.items.failed).toBe(0);
      expect(fleet.health).toContainEqual({ id: connectorId, code: 'UNAUTHENTICATED' });
      expect((await fleet.told()).filter(({ event }) => event === 'run.attention')).toHaveLength(1);
      mend();
      await setHealth(fleet.world, connectorId, null);
      const run = await fleet.until(id, 'succeeded');
      expect(run.error).toBeNull();
      await expectComplete(fleet, job, run);
    },
  );

  test('that stay revoked keep it paused, and cancelling works all the same', async () => {
    await fleet.worker('one');
    const job = await fleet.job({ objects: 300, slowMs: 60 });
    const id = await underWay(job);
    breakStore(job.to, 'UNAUTHENTICATED');
    const { version } = await fleet.until(id, 'paused');
    await fleet.runs.resume(PERSON, id);
    await fleet.untilTrue('it was tried again', async () => {
      const now = await fleet.runs.get(PERSON, id);
      return now.state === 'paused' && now.version > version;
    });
    await fleet.runs.cancel(PERSON, id);
    await fleet.until(id, 'cancelled');
    // Said when it has been done.
    await fleet.untilTrue('what may remain is said', async () =>
      fleet.lines.some(({ level, message }) => level === 'warn' && message.includes('may remain')),
    );
  });
});

describe('a store', () => {
  test('that cannot be reached for a while costs time and nothing else', async () => {
    await fleet.worker('one');
    const job = await fleet.job({ objects: 300, slowMs: 60 });
    const id = await underWay(job);
    const mend = breakStore(job.to, 'UNREACHABLE');
    await fleet.untilTrue('work broke off', async () => fleet.world.logged.some((line) => line.includes('broke off')));
    mend();
    const run = await fleet.until(id, 'succeeded', 'paused');
    if (run.state === 'paused') {
      await setHealth(fleet.world, job.target.connectorId, null);
      await fleet.until(id, 'succeeded');
    }
    await expectComplete(fleet, job, await fleet.runs.get(PERSON, id));
  });

  test('whose container is deleted in mid-run fails it with the reason', async () => {
    await fleet.worker('one');
    const job = await fleet.job({ objects: 300, slowMs: 60 });
    const id = await underWay(job);
    breakStore(job.to, 'PLACE_NOT_FOUND');
    const run = await fleet.until(id, 'failed', 'completed-with-issues');
    expect(run).toMatchObject({ state: 'failed', error: { code: 'PLACE_NOT_FOUND' } });
    expect((await fleet.runs.active()).length).toBe(0);
  });
});

test('a run that fails leaves no upload open', async () => {
  await Promise.all([fleet.worker('one'), fleet.worker('two')]);
  const job = await fleet.job({ objects: 0, targetBehaviour: IN_PARTS });
  job.from.put('box', 'large', new Uint8Array(8 * MIB));
  job.from.hooks.before = async (operation) => {
    if (operation === 'CHUNK') await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const { id } = await fleet.start(job);
  await fleet.untilTrue('an upload is open', async () => job.to.uploads.size > 0);
  breakStore(job.from, 'PLACE_NOT_FOUND');
  await fleet.until(id, 'failed');
  await fleet.untilTrue('nothing is open', async () => job.to.uploads.size === 0);
  await fleet.untilTrue('nothing is journaled', async () => (await fleet.store.intents(id)).length === 0);
});

test('a run fails also for a reason that no database takes as it is', async () => {
  await fleet.worker('one');
  const job = await fleet.job({ objects: 100, slowMs: 60 });
  const id = await underWay(job);
  job.to.hooks.before = () => {
    throw new DroverError('PLACE_NOT_FOUND', 'There is no "a\u0000\udc80b".');
  };
  const run = await fleet.until(id, 'failed');
  expect(run.error).toMatchObject({ code: 'PLACE_NOT_FOUND', message: 'There is no "a\ufffd\ufffdb".' });
});

describe('a worker', () => {
  test('in which something ignores the order to stop does not keep the run from being paused', async () => {
    await fleet.worker('one', { timing: SHORT });
    const job = await fleet.job({ objects: 100, slowMs: 60 });
    const stuck = Promise.withResolvers<void>();
    job.from.hooks.before = async (operation, key) => {
      if (operation === 'GET' && key === 'k/000050') await stuck.promise;
    };
    const { id } = await fleet.start(job);
    await fleet.untilTrue('it is under way', async () => job.to.keys('box').length > 10);
    await fleet.runs.pause(PERSON, id);
    await fleet.until(id, 'paused');
    stuck.resolve();
    await fleet.runs.resume(PERSON, id);
    await expectComplete(fleet, job, await fleet.until(id, 'succeeded'));
  });

  test('whose disk is full says so and goes on when there is room', async () => {
    let isFull = false;
    const { artifacts } = fleet.world;
    const small: ArtifactStore = {
      get: (name) => artifacts.get(name),
      list: (prefix) => artifacts.list(prefix),
      removeAll: (prefix) => artifacts.removeAll(prefix),
      put: async (name, content) => {
        if (isFull) throw new DroverError('DISK_FULL', 'No room for the records of runs.');
        await artifacts.put(name, content);
      },
    };
    await fleet.worker('one', {}, { artifacts: small });
    const job = await fleet.job({ objects: 400, slowMs: 60 });
    const id = await underWay(job);
    isFull = true;
    await fleet.untilTrue('it says why', async () => (await fleet.runs.get(PERSON, id)).waits?.kind === 'disk');
    isFull = false;
    const run = await fleet.until(id, 'succeeded');
    expect(run.waits).toBeNull();
    await expectComplete(fleet, job, run);
  });

  test('whose clock jumps by a day, to and fro, keeps its leases and its runs', async () => {
    let jumpMs = 0;
    const clock = { ...systemClock, now: () => Date.now() + jumpMs };
    // Renewed so seldom that a jump lies between two renewals.
    const timing = { ...PATIENT, renewEveryMs: 3_000 };
    await fleet.worker('one', { timing }, { clock });
    await fleet.worker('two', { timing });
    const job = await fleet.job({ objects: 900, slowMs: 100 });
    const id = await underWay(job);
    for (const [days, copied] of [
      [1, 100],
      [2, 250],
      [3, 400],
      [-1, 550],
    ] as const) {
      jumpMs = days * 24 * 3_600_000;
      await fleet.untilTrue('more was copied', async () => job.to.keys('box').length > copied);
    }
    const run = await fleet.until(id, 'succeeded');
    await expectComplete(fleet, job, run);
    const { rows } = await sql`SELECT FROM segments WHERE run_id = ${id} AND takeovers > 0`.execute(fleet.world.db);
    expect(rows).toHaveLength(0);
    expect(fleet.world.logged.filter((line) => line.includes('lets go'))).toEqual([]);
  });

  test('that cannot renew its leases lets go before anybody else may have them', async () => {
    const blocked = { isOn: false };
    const db = fleet.world.db.withPlugin({
      transformQuery: ({ node }) => {
        if (blocked.isOn) throw new DroverError('DATABASE_UNAVAILABLE', 'The way to the database is blocked.');
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    // It gives up long before its leases run out, however slowly this test looks.
    const cutOff = await fleet.worker('cut-off', { timing: { ...SHORT, leaseValidMs: 60_000 } }, { db });
    const job = await fleet.job({ objects: 600, slowMs: 60 });
    const id = await underWay(job);
    blocked.isOn = true;
    await fleet.untilTrue('it lets go', async () => fleet.world.logged.some((line) => line.includes('lets go')));
    const { rows } = await sql<{ rest: number }>`
      SELECT extract(epoch FROM max(lease_until) - clock_timestamp())::double precision AS rest FROM segments
      WHERE run_id = ${id} AND state = 'open'`.execute(fleet.world.db);
    expect(rows[0]?.rest).toBeGreaterThan(0);
    await fleet.untilTrue('its part in the run is over', async () => cutOff.runs.length === 0);
    const reads = job.from.requests.GET;
    // Whatever it would do still, it would have done by then.
    await fleet.untilTrue('it has looked in vain again and again', looksInVain(fleet, 4));
    expect(job.from.requests.GET).toBe(reads);
    await sql`UPDATE segments SET lease_until = clock_timestamp() WHERE run_id = ${id} AND state = 'open'`.execute(
      fleet.world.db,
    );
    await fleet.worker('other');
    await fleet.untilTrue('the other one has them', async () => {
      const taken = await sql`SELECT FROM segments WHERE run_id = ${id} AND takeovers > 0`.execute(fleet.world.db);
      return taken.rows.length > 0;
    });
    blocked.isOn = false;
    const run = await fleet.until(id, 'succeeded');
    await expectComplete(fleet, job, run);
  });
});
