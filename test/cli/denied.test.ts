/** A right that is taken away while a command runs: it stops with advice, and the same command then goes on. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DroverError } from '../../src/model/errors.ts';
import { memoryStore, type MemoryStore } from '../../src/providers/memory/provider.ts';
import { openTestWorld, type TestWorld } from './world.ts';

const OBJECTS = 300;
let world: TestWorld;
let store: MemoryStore;
let serial = 0;

beforeEach(() => {
  world = openTestWorld();
  const name = `denied-${serial++}`;
  world.environment = { DROVER_CONNECTOR_MEM_PROVIDER: 'memory', DROVER_CONNECTOR_MEM_STORE: name, TERM: 'dumb' };
  store = memoryStore(name);
  store.ensure('b');
  store.ensure('c');
  for (let at = 0; at < OBJECTS; at++) store.put('b', `k${String(at).padStart(4, '0')}`, `content ${at}`);
});
afterEach(() => world.remove());

test.each(['GET', 'PUT', 'LIST'] as const)('no %s any more', async (gone) => {
  let asked = 0;
  store.hooks.before = (operation) => {
    if (operation === gone && ++asked > (gone === 'LIST' ? 1 : 40)) {
      throw new DroverError('PERMISSION_DENIED', `No ${gone} for you.`);
    }
  };
  const words = ['copy', 'mem:b', 'mem:c', '--server-side', 'never'];
  const denied = await world.json(...words);
  expect(denied.exit, denied.stderr).toBe(5);
  expect(denied.summary).toMatchObject({ state: 'paused', error: { code: 'PERMISSION_DENIED' } });
  expect(denied.summary.items['failed']).toBe(0);
  if (gone !== 'LIST') expect(denied.stderr).toContain('The same command then continues.');
  store.hooks.before = null;
  const again = await world.json(...words);
  expect(again.exit, again.stderr).toBe(0);
  expect(again.summary.runId).toBe(denied.summary.runId);
  expect(again.summary.items).toMatchObject({ copied: OBJECTS, failed: 0 });
  expect(store.keys('c')).toEqual(store.keys('b'));
});

test('objects with a lock of their own fail by themselves', async () => {
  store.hooks.before = (operation, key) => {
    if (operation === 'GET' && /^k001\d$/.test(key)) throw new DroverError('PERMISSION_DENIED', 'Not this one.');
  };
  const called = await world.json('copy', 'mem:b', 'mem:c', '--server-side', 'never');
  expect(called.exit, called.stderr).toBe(3);
  expect(called.summary.items).toMatchObject({ copied: OBJECTS - 10, failed: 10 });
  const log = await world.call('runs', 'log', String(called.summary.runId));
  // Once, however many there are; and nothing of those with which nothing is to be done.
  expect(log.stderr.match(/^PERMISSION_DENIED: .*Grant the missing right/gm)).toHaveLength(1);
  expect(log.stderr).not.toContain('absent:');
});
