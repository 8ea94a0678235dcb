import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import type { Vault } from '../world.ts';
import { HAND_OVER_MS, openVault, rotateVault } from './vault.ts';

const OLD = new Uint8Array(32).fill(1);
const NEW = new Uint8Array(32).fill(2);
const OTHER = new Uint8Array(32).fill(3);
const SECRET = 'planted-Secret/Value+0123456789';

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.db.deleteFrom('secrets').execute();
  await world.db.deleteFrom('facts_of_installation').execute();
});

const open = (masterKey: Uint8Array): Promise<Vault> =>
  openVault({ db: world.db, masterKey, clock: systemClock, random: systemRandom });
const seal = (vault: Vault, content: Record<string, string>, id: string | null = null): Promise<string> =>
  world.db.transaction().execute((tx) => vault.seal(tx, id, content));
const rotate = (oldKey: Uint8Array, newKey: Uint8Array, handOverMs = HAND_OVER_MS) =>
  rotateVault({ db: world.db, clock: systemClock, random: systemRandom }, { oldKey, newKey, handOverMs });

/** Until a statement in this database waits for a lock. */
async function somebodyWaits(): Promise<void> {
  for (;;) {
    const { rows } = await sql`SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(world.db);
    if (rows.length > 0) return;
  }
}

describe('secrets', () => {
  test('open as they were sealed, also by another process; nothing of them is in the database', async () => {
    const vault = await open(OLD);
    const id = await seal(vault, { key: SECRET, other: 'ä\u0000\ud800' });
    expect(await (await open(OLD)).open(world.db, id)).toEqual({ key: SECRET, other: 'ä\u0000\ud800' });
    const row = await world.db.selectFrom('secrets').selectAll().executeTakeFirstOrThrow();
    for (const bytes of [row.sealed, row.wrapped_key]) expect(bytes.includes(Buffer.from(SECRET))).toBe(false);
  });

  test('are sealed anew each time, with another data key, under the same id', async () => {
    const vault = await open(OLD);
    const id = await seal(vault, { key: SECRET });
    const before = await world.db.selectFrom('secrets').selectAll().executeTakeFirstOrThrow();
    expect(await seal(vault, { key: 'second' }, id)).toBe(id);
    const after = await world.db.selectFrom('secrets').selectAll().executeTakeFirstOrThrow();
    expect(after.wrapped_key.equals(before.wrapped_key)).toBe(false);
    expect(await vault.open(world.db, id)).toEqual({ key: 'second' });
  });

  test('of one connector do not open in the place of another, nor with a changed byte', async () => {
    const vault = await open(OLD);
    const one = await seal(vault, { key: SECRET });
    const two = await seal(vault, { key: 'two' });
    const row = await world.db.selectFrom('secrets').selectAll().where('id', '=', one).executeTakeFirstOrThrow();
    const moved = { wrapped_key: row.wrapped_key, sealed: row.sealed };
    await world.db.updateTable('secrets').set(moved).where('id', '=', two).execute();
    await expect(vault.open(world.db, two)).rejects.toMatchObject({ code: 'INTERNAL' });
    const sealed = Buffer.from(row.sealed);
    sealed[sealed.length - 1]! ^= 1;
    await world.db.updateTable('secrets').set({ sealed }).where('id', '=', one).execute();
    await expect(vault.open(world.db, one)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('a wrong master key is noticed at the start, not when the first secret is needed', async () => {
    await open(OLD);
    await expect(open(OTHER)).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    await expect(open(new Uint8Array(31))).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'masterKey' });
  });

  test('two that start at once on a new database agree on one key', async () => {
    const [one, two] = await Promise.all([open(OLD), open(OLD)]);
    expect(one.fingerprint('x')).toBe(two.fingerprint('x'));
  });

  test('fingerprints tell values apart, signatures purposes', async () => {
    const vault = await open(OLD);
    expect(vault.fingerprint('a')).toMatch(/^[0-9a-f]{12}$/);
    expect(vault.fingerprint('a')).not.toBe(vault.fingerprint('b'));
    expect(vault.sign('report', Buffer.from('a'))).not.toBe(vault.sign('webhook', Buffer.from('a')));
  });
});

describe('another master key', () => {
  test('everything opens with it and nothing with the old one; fingerprints and signatures stay', async () => {
    const vault = await open(OLD);
    const ids = await Promise.all(Array.from({ length: 250 }, (_, i) => seal(vault, { key: String(i) })));
    const before = [vault.fingerprint('a'), vault.sign('report', Buffer.from('a'))];
    expect((await rotate(OLD, NEW)).rotated).toBe(250);
    await expect(open(OLD)).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    const anew = await open(NEW);
    expect([anew.fingerprint('a'), anew.sign('report', Buffer.from('a'))]).toEqual(before);
    expect(await anew.open(world.db, ids[249]!)).toEqual({ key: '249' });
    const keys = await world.db.selectFrom('secrets').select('master_key_id').distinct().execute();
    expect(keys).toEqual([{ master_key_id: anew.masterKeyId }]);
  });

  test('a server that was started with the old one goes on reading and saving', async () => {
    const running = await open(OLD);
    const id = await seal(running, { key: SECRET });
    await rotate(OLD, NEW);
    expect(await running.open(world.db, id)).toEqual({ key: SECRET });
    const later = await seal(running, { key: 'later' });
    expect(await (await open(NEW)).open(world.db, later)).toEqual({ key: 'later' });
    const other = await open(NEW);
    expect(running.masterKeyId).toBe(other.masterKeyId);
  });

  test('unless it is not to be handed over: then it says which key is needed', async () => {
    const running = await open(OLD);
    const id = await seal(running, { key: SECRET });
    await rotate(OLD, NEW, 0);
    await expect(running.open(world.db, id)).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    await expect(seal(running, { key: 'later' })).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    const { value } = await world.db.selectFrom('facts_of_installation').select('value').executeTakeFirstOrThrow();
    expect(value).toMatchObject({ handOver: null, before: null });
  });

  test('a repeat takes back a key that was handed over', async () => {
    const running = await open(OLD);
    const id = await seal(running, { key: SECRET });
    await rotate(OLD, NEW);
    await rotate(OLD, NEW, 0);
    await expect(running.open(world.db, id)).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
  });

  test('cut short in the middle: both kinds open with the new key, and a repeat ends it', async () => {
    const running = await open(OLD);
    const one = await seal(running, { key: 'one' });
    const two = await seal(running, { key: 'two' });
    await world.db.updateTable('secrets').set({ master_key_id: 'unknown' }).where('id', '=', two).execute();
    // What cannot be sealed anew stops it half-way, as a crash would.
    await expect(rotate(OLD, NEW)).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    const { id: oldId } = { id: running.masterKeyId };
    await world.db.updateTable('secrets').set({ master_key_id: oldId }).where('id', '=', two).execute();
    const started = await open(NEW);
    expect(await started.open(world.db, one)).toEqual({ key: 'one' });
    expect(await started.open(world.db, two)).toEqual({ key: 'two' });
    expect((await rotate(OLD, NEW)).rotated).toBe(2);
    expect(await running.open(world.db, two)).toEqual({ key: 'two' });
  });

  test('readers and writers at the same time never meet a secret they cannot open', async () => {
    const running = await Promise.all([open(OLD), open(OLD)]);
    const ids = await Promise.all(Array.from({ length: 120 }, (_, i) => seal(running[0]!, { key: String(i) })));
    let isOver = false;
    const busy = running.map(async (vault, w) => {
      for (let i = w; !isOver; i = (i + 7) % ids.length) {
        await seal(vault, { key: String(i) }, ids[i]!);
        expect(await vault.open(world.db, ids[i]!)).toEqual({ key: String(i) });
      }
    });
    await rotate(OLD, NEW).finally(() => (isOver = true));
    await Promise.all(busy);
    const anew = await open(NEW);
    for (const [i, id] of ids.entries()) expect(await anew.open(world.db, id)).toEqual({ key: String(i) });
  });

  test('waits for what is being saved with the old key', async () => {
    const running = await open(OLD);
    let rotating: Promise<unknown> = Promise.resolve();
    const id = await world.db.transaction().execute(async (tx) => {
      const saved = await running.seal(tx, null, { key: SECRET });
      rotating = rotate(OLD, NEW, 0);
      await Promise.race([rotating, somebodyWaits()]);
      return saved;
    });
    await rotating;
    expect(await (await open(NEW)).open(world.db, id)).toEqual({ key: SECRET });
  });

  test('a wrong old key changes nothing', async () => {
    const vault = await open(OLD);
    const id = await seal(vault, { key: SECRET });
    await expect(rotate(OTHER, NEW)).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    expect(await (await open(OLD)).open(world.db, id)).toEqual({ key: SECRET });
  });

  test('a handed over key is forgotten after its time', async () => {
    await open(OLD);
    await rotate(OLD, NEW, 1);
    const later = { ...systemClock, now: () => systemClock.now() + 60_000 };
    await openVault({ db: world.db, masterKey: NEW, clock: later, random: systemRandom });
    const { value } = await world.db.selectFrom('facts_of_installation').select('value').executeTakeFirstOrThrow();
    expect(value).toMatchObject({ handOver: null });
  });
});
