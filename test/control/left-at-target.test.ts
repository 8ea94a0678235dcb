/** What a run has left half-made at a target that does not answer when it ends is taken away when it answers again. */
import { sql } from 'kysely';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Leftovers } from '../../src/control/fleet/leftovers.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { Shares } from '../../src/control/fleet/shares.ts';
import type { OpenConnector } from '../../src/control/world.ts';
import type { Account, Parts } from '../../src/contract/provider.ts';
import { DroverError } from '../../src/model/errors.ts';
import { makeStore, openFleetTest, PATIENT, SHORT, type FleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, PERSON, rowOpener, type MadeJob } from './made.ts';

let fleet: FleetTest;
let folder: string;
let job: MadeJob;
let toId: string;
let away: DroverError | null;
let tries: number;
/** A folder has none of its own. */
let parts: Parts | null;
/** One object that does not come. */
let held: PromiseWithResolvers<never>;

beforeEach(async () => {
  fleet = await openFleetTest();
  folder = mkdtempSync(join(tmpdir(), 'drover-left-'));
  away = null;
  tries = 0;
  parts = null;
  const from = makeStore(`left-${process.pid}-${folder}`);
  const config = { store: `left-${process.pid}-${folder}` };
  for (let i = 0; i < 30; i++) from.put('box', `k/${i}`, `content of ${i}`);
  const fromId = await makeConnector(fleet.world, { provider: 'memory', config, fingerprint: 'memory:left' });
  toId = await makeConnector(fleet.world, { provider: 'local', config: {}, fingerprint: 'local' });
  job = await makeJob(fleet.world, { connectorId: fromId, container: 'box' }, { connectorId: toId, container: folder });
  held = Promise.withResolvers();
  held.promise.catch(() => undefined);
  from.hooks.before = async (operation, key) => {
    if (operation === 'GET' && key === 'k/7') await held.promise;
  };
});
afterEach(async () => {
  await fleet[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const worker = (name: string) => {
  const open = rowOpener(fleet.world);
  const openConnector: OpenConnector = async (id, openTransport, ...rest) => {
    if (id === toId && away !== null) {
      tries += 1;
      throw away;
    }
    const opened = await open(id, openTransport, ...rest);
    if (id === toId && parts !== null) addParts(opened.account, parts);
    return opened;
  };
  return fleet.worker(name, { openConnector, timing: { ...PATIENT, reachAgainMs: 200 } });
};

function addParts(account: Account, given: Parts): void {
  const inner = account.target.bind(account);
  account.target = async (...asked) => {
    const target = await inner(...asked);
    return Object.defineProperty(target, 'facets', { value: { ...target.facets, parts: given } });
  };
}

/** Cancelled with the target away; a file of the run lies there, as one that a killed worker wrote at. */
async function cancelled(error: DroverError): Promise<string> {
  const { id } = await fleet.start(job);
  await fleet.untilTrue('something is there', async () => existsSync(join(folder, 'k')));
  away = error;
  await fleet.runs.cancel(PERSON, id);
  held.reject(new DroverError('UNAVAILABLE', 'It does not answer.'));
  mkdirSync(join(folder, 'deep'));
  writeFileSync(join(folder, 'deep', `.drover-${id}-0123456789abcdef.part`), 'half');
  await fleet.until(id, 'cancelled');
  return id;
}

const left = (): string[] =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.includes('.part'));
const isSwept = async (id: string): Promise<boolean> => {
  const { rows } = await sql`SELECT FROM segments WHERE run_id = ${id} AND kind = 'sweep'`.execute(fleet.world.db);
  return rows.length === 0;
};
const linesOf = (id: string, code: string) => fleet.lines.filter((line) => line.runId === id && line.code === code);

test('by whichever worker is there then, and that is said', async () => {
  const one = await worker('one');
  const id = await cancelled(new DroverError('PERMISSION_DENIED', 'The folder is locked.'));
  await fleet.untilTrue('it was tried again', async () => tries >= 3);
  expect(linesOf(id, 'LEFTOVERS')).toMatchObject([{ message: expect.stringContaining('The folder is locked') }]);
  expect(left()).toHaveLength(1);
  await one.drain();
  away = null;
  await worker('two');
  await fleet.untilTrue('it is gone', () => isSwept(id));
  expect(left()).toEqual([]);
  await fleet.untilTrue('that is said', async () => linesOf(id, 'LEFTOVERS_GONE').length > 0);
  expect(linesOf(id, 'LEFTOVERS')).toHaveLength(1);
});

test('and whoever finds a fault of our own there does not come back to it every moment', async () => {
  const parts = { openConnector: rowOpener(fleet.world), reportHealth: async () => undefined, timing: SHORT };
  const world = fleetWorld(fleet.world, { ...parts, append: async () => undefined });
  const db = new Proxy(world.db, {
    get(inner, name) {
      if (name === 'transaction') throw new DroverError('INTERNAL', 'A fault.');
      return Reflect.get(inner, name, inner) as unknown;
    },
  });
  const faults: unknown[] = [];
  const leftovers = new Leftovers({
    world: { ...world, db },
    store: fleet.store,
    shares: new Shares(world, 'w'),
    workerId: 'w',
    signal: new AbortController().signal,
    onFault: (thrown) => void faults.push(thrown),
  });
  leftovers.look('run-1');
  await leftovers.settled();
  expect(faults).toHaveLength(1);
  expect(leftovers.resting).toEqual(['run-1']);
});

test('unless the place itself is gone', async () => {
  await worker('one');
  const id = await cancelled(new DroverError('PLACE_NOT_FOUND', 'The folder is gone.'));
  await fleet.untilTrue('nobody looks after it any more', () => isSwept(id));
  await fleet.untilTrue('that is said', async () => linesOf(id, 'LEFTOVERS').length > 0);
  expect(linesOf(id, 'LEFTOVERS')).toHaveLength(1);
  expect(linesOf(id, 'LEFTOVERS_GONE')).toEqual([]);
});

test('and an upload of which nobody can tell whose it is stays in the journal, and that is said', async () => {
  let isThere = true;
  const found = { key: 'k/9', startedAtMs: 0, token: 'u', isUnsure: true } as const;
  const aborted: unknown[] = [];
  parts = {
    limits: { partBytesMin: 1, partBytesMax: 100, partsMax: 100, objectBytesMax: 10_000, equalParts: false },
    find: async () => (isThere ? [found] : []),
    abort: async (upload: unknown) => void aborted.push(upload),
  } as unknown as Parts;
  const one = await worker('one');
  const { id } = await fleet.start(job);
  await fleet.untilTrue('something is there', async () => existsSync(join(folder, 'k')));
  await fleet.store.saveIntent({ runId: id, intentId: 'i', targetKey: 'k/9', startedAtMs: 0, upload: null });
  await fleet.runs.cancel(PERSON, id);
  held.reject(new DroverError('UNAVAILABLE', 'It does not answer.'));
  await fleet.until(id, 'cancelled');
  await fleet.untilTrue('that is said', async () => linesOf(id, 'LEFTOVERS').length > 0);
  expect(linesOf(id, 'LEFTOVERS')).toMatchObject([{ message: expect.stringContaining('"k/9"') }]);
  await one.drain();
  await worker('two');
  expect(await fleet.store.intents(id)).toHaveLength(1);
  isThere = false;
  await fleet.untilTrue('that is over', async () => linesOf(id, 'LEFTOVERS_GONE').length > 0);
  expect(await fleet.store.intents(id)).toEqual([]);
  expect(linesOf(id, 'LEFTOVERS')).toHaveLength(1);
  expect(aborted).toEqual([]);
});
