/**
 * Credentials that are revoked, seen by one kind of request alone, each in turn: the run pauses with the connector that it
 * was, so that authorizing that one anew lets it go on by itself.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ArtifactStore } from '../../src/engine/ports.ts';
import { DroverError } from '../../src/model/errors.ts';
import type { Policy } from '../../src/model/policy.ts';
import { DEFAULT_BEHAVIOUR, type MemoryOperation } from '../../src/providers/memory/provider.ts';
import { openFleetTest, setHealth, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { PERSON } from './made.ts';

const MIB = 1024 * 1024;
const IN_PARTS = { writeBytesMax: 2 * MIB, partLimits: { ...DEFAULT_BEHAVIOUR.partLimits, partBytesMax: MIB } };

type SideName = 'source' | 'target';
/** Of this object alone, where one is named. */
type Row = readonly [side: SideName, operation: MemoryOperation, policy: Partial<Policy>, key?: string];

const MIRROR: Partial<Policy> = { mode: 'mirror', deleteShareMax: 1 };

const ROWS: readonly Row[] = [
  ['source', 'CONTAINERS', {}],
  ['source', 'LIST', {}],
  ['source', 'HEAD', {}],
  ['source', 'GET', {}],
  ['source', 'CHUNK', {}],
  ['source', 'GET', {}, 'large'],
  // Breaks off inside of a write to the target.
  ['source', 'CHUNK', {}, 'large'],
  ['source', 'TAGS', { metadata: 'refresh' }],
  ['target', 'CONTAINERS', {}],
  ['target', 'OBSERVE', {}],
  ['target', 'LIST', {}],
  ['target', 'HEAD', { metadata: 'refresh' }],
  ['target', 'PUT', {}],
  ['target', 'BEGIN', {}],
  ['target', 'PART', {}],
  ['target', 'COMPLETE', {}],
  ['target', 'DELETE', MIRROR],
  ['target', 'PROPERTIES', { metadata: 'refresh' }],
  ['target', 'GET', { verify: 'read-back' }],
  ['target', 'CHUNK', { verify: 'read-back' }],
];

const CASES = ROWS.map(([side, operation, policy, key]) => {
  return { side, operation, policy, key, what: key ?? 'of all' };
});

describe.each([1, 2])('with so many workers: %i', (workers) => {
  let fleet: FleetTest;
  beforeAll(async () => {
    fleet = await openFleetTest();
    for (let at = 0; at < workers; at++) await fleet.worker(`worker-${at}`);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  /** One of each kind of work. */
  async function planted(policy: Partial<Policy>): Promise<MemoryJob> {
    const job = await fleet.job({
      objects: 40,
      settings: { serverSide: 'never', ...policy },
      targetBehaviour: IN_PARTS,
    });
    job.from.put('box', 'large', new Uint8Array(6 * MIB).fill(7), { digests: {}, etag: 'none' });
    job.from.put('box', 'same', 'same', { metadata: { a: 'new' }, tags: { team: 'blue' } });
    job.to.put('box', 'same', 'same', { metadata: { a: 'old' }, tags: { team: 'red' } });
    for (const key of ['extra-1', 'extra-2']) job.to.put('box', key, 'only here');
    return job;
  }

  test.each(CASES)('of the $side, as $operation sees it ($what)', async ({ side, operation, policy, key }) => {
    const job = await planted(policy);
    const store = side === 'source' ? job.from : job.to;
    store.hooks.before = (asked, of) => {
      if (asked === operation && (key ?? of) === of)
        throw new DroverError('UNAUTHENTICATED', 'The key is not valid any more.');
    };
    const { id } = await fleet.start(job);
    const paused = await fleet.until(id, 'paused', 'succeeded', 'failed', 'completed-with-issues');
    const { connectorId } = job[side];
    expect(paused).toMatchObject({
      state: 'paused',
      waits: { kind: 'attention', connectorId },
      error: { code: 'UNAUTHENTICATED' },
      counters: { items: { failed: 0 } },
    });
    store.hooks.before = null;
    await setHealth(fleet.world, connectorId, null);
    expect(await fleet.until(id, 'succeeded', 'failed', 'completed-with-issues')).toMatchObject({ state: 'succeeded' });
  });

  test('of both sides at once pauses with one after the other, and goes on when both are authorized anew', async () => {
    const job = await planted({});
    const stores = { source: job.from, target: job.to };
    const refuse = (store: MemoryJob['from']): void => {
      store.hooks.before = () => {
        throw new DroverError('UNAUTHENTICATED', 'The key is not valid any more.');
      };
    };
    let isUnderWay = false;
    job.from.hooks.before = (operation) => {
      if (operation !== 'GET' || isUnderWay) return;
      isUnderWay = true;
      for (const store of Object.values(stores)) refuse(store);
    };
    const { id } = await fleet.start(job);
    const named: string[] = [];
    for (;;) {
      const { state, waits, version } = await fleet.until(id, 'paused', 'succeeded', 'failed', 'completed-with-issues');
      if (state !== 'paused') break;
      const side = waits?.connectorId === job.source.connectorId ? 'source' : 'target';
      expect(waits?.connectorId).toBe(job[side].connectorId);
      named.push(side);
      stores[side].hooks.before = null;
      await setHealth(fleet.world, job[side].connectorId, null);
      await fleet.untilTrue('it goes on', async () => (await fleet.runs.get(PERSON, id)).version > version);
    }
    expect(named.toSorted()).toEqual(['source', 'target']);
    expect(await fleet.runs.get(PERSON, id)).toMatchObject({ state: 'succeeded' });
  });
});

test('where nobody can tell whose fault it was, it goes on when either connector was authorized anew', async () => {
  await using fleet = await openFleetTest();
  let isRefused = false;
  const { artifacts, db } = fleet.world;
  const refusing: ArtifactStore = {
    get: (name) => artifacts.get(name),
    list: (prefix) => artifacts.list(prefix),
    removeAll: (prefix) => artifacts.removeAll(prefix),
    put: async (name, content) => {
      if (isRefused) throw new DroverError('UNAUTHENTICATED', 'The key of the artifact store is not valid any more.');
      await artifacts.put(name, content);
    },
  };
  await fleet.worker('one', {}, { artifacts: refusing });
  for (const side of ['source', 'target'] as const) {
    isRefused = true;
    const job = await fleet.job({ objects: 20 });
    const { id } = await fleet.start(job);
    const paused = await fleet.until(id, 'paused');
    expect(paused.waits).toMatchObject({ kind: 'attention', connectorId: null });
    isRefused = false;
    const { version } = await fleet.runs.get(PERSON, id);
    await fleet.untilTrue('somebody has looked since', looksAgain(fleet));
    expect((await fleet.runs.get(PERSON, id)).version, 'nothing has changed').toBe(version);
    const { connectorId } = job[side];
    await sql`UPDATE connectors SET updated_at = clock_timestamp() + interval '1 hour' WHERE id = ${connectorId}`.execute(
      db,
    );
    await fleet.untilTrue('somebody has looked since', looksAgain(fleet));
    expect((await fleet.runs.get(PERSON, id)).version, 'by a clock that is ahead').toBe(version);
    await sql`UPDATE connectors SET updated_at = clock_timestamp() WHERE id = ${connectorId}`.execute(db);
    await fleet.world.bus.tell('connector', connectorId);
    await fleet.until(id, 'succeeded');
  }
});

test('a listing that breaks off again and again blames no connector; the run goes on when one was tested well since', async () => {
  await using fleet = await openFleetTest();
  await fleet.worker('one');
  const job = await fleet.job({ objects: 20 });
  job.from.hooks.listing = () => null;
  const { id } = await fleet.start(job);
  const paused = await fleet.until(id, 'paused');
  expect(paused).toMatchObject({ error: { code: 'LISTING_INCOMPLETE' }, waits: { connectorId: null } });
  expect(fleet.health).toEqual([]);
  job.from.hooks.listing = null;
  const { connectorId } = job.source;
  await sql`UPDATE connectors SET checked_at = clock_timestamp() WHERE id = ${connectorId}`.execute(fleet.world.db);
  await fleet.world.bus.tell('connector', connectorId);
  await fleet.until(id, 'succeeded');
});

/** True when a run that was started meanwhile has been through all that is looked at. */
function looksAgain(fleet: FleetTest): () => Promise<boolean> {
  const other = fleet.job({ objects: 1 }).then((job) => fleet.start(job));
  return async () => (await fleet.runs.get(PERSON, (await other).id)).state === 'succeeded';
}
