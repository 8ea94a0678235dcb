import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type NetConnectOpts } from 'node:net';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../lib/system.ts';
import { openBus } from './bus.ts';
import { newId } from './ids.ts';
import { openTestWorld, type TestWorld } from './testing.ts';
import type { Topic } from './world.ts';
import { startStopwatch } from '../../test/stopwatch.ts';

let one: TestWorld;
let two: TestWorld;
beforeAll(async () => {
  one = await openTestWorld();
  two = await openTestWorld({ databaseUrl: one.databaseUrl });
  await Promise.all([one.bus.ready(), two.bus.ready()]);
});
afterAll(async () => {
  await two.close();
  await one.close();
});

/** Messages in their order; `next` waits for one. */
function heard(world: TestWorld) {
  const messages: string[] = [];
  let wake = (): void => undefined;
  const push = (text: string): void => {
    messages.push(text);
    wake();
  };
  const stop = world.bus.listen(
    (topic: Topic, id: string) => push(`${topic} ${id}`),
    () => push('gap'),
  );
  const next = async (): Promise<string> => {
    while (messages.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return messages.shift() as string;
  };
  /** Skips what belongs to something earlier. */
  const until = async (text: string): Promise<string> => {
    for (;;) if ((await next()) === text) return text;
  };
  return { next, until, stop, messages };
}

test('everybody hears what was told, in order, the teller included', async () => {
  const ears = [heard(one), heard(two)];
  await one.bus.tell('job', 'a');
  await two.bus.tell('run', 'id with spaces');
  for (const ear of ears) {
    expect([await ear.next(), await ear.next()].toSorted()).toEqual(['job a', 'run id with spaces']);
    ear.stop();
  }
});

test('in a transaction it goes out with the commit, and never without', async () => {
  const ear = heard(two);
  const rolledBack = one.db.transaction().execute(async (tx) => {
    await one.bus.tell('job', 'never', tx);
    throw new Error('no');
  });
  await expect(rolledBack).rejects.toThrow('no');
  await one.db.transaction().execute(async (tx) => {
    await one.bus.tell('job', 'committed', tx);
    // Another message overtakes what has not been committed yet.
    await one.bus.tell('job', 'first');
    expect(await ear.next()).toBe('job first');
  });
  expect(await ear.next()).toBe('job committed');
  ear.stop();
});

test('a lost connection comes back by itself, and listeners learn that they may have missed something', async () => {
  const ear = heard(two);
  const own = heard(one);
  const deaf = heard(two);
  deaf.stop();
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'drover bus' AND datname = current_database()`.execute(one.db);
  await ear.until('gap');
  await own.until('gap');
  await Promise.all([one.bus.ready(), two.bus.ready()]);
  await one.bus.tell('worker', 'again');
  await ear.until('worker again');
  await own.until('worker again');
  expect(deaf.messages).toEqual([]);
  ear.stop();
  own.stop();
});

test('a network that swallows everything is left behind, and nothing waits for it at the end', async () => {
  const { user, database, password, host, port } = new pg.Client({ connectionString: one.databaseUrl });
  const where = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  let isDeaf = false;
  const through = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect(where as NetConnectOpts);
    near.on('data', (bytes) => !isDeaf && far.write(bytes)).on('error', () => far.destroy());
    far.on('data', (bytes) => !isDeaf && near.write(bytes)).on('error', () => near.destroy());
    near.on('close', () => far.destroy());
  });
  through.listen(0, '127.0.0.1');
  await once(through, 'listening');
  const connection = { user: user ?? '', database: database ?? '', password: password ?? '' };
  const address = { host: '127.0.0.1', port: (through.address() as AddressInfo).port };
  const bus = openBus({
    db: one.db,
    connection: { ...connection, ...address },
    clock: systemClock,
    log: () => undefined,
  });
  await bus.ready();
  isDeaf = true;
  const watch = startStopwatch();
  await bus[Symbol.asyncDispose]();
  expect(watch.elapsedMs()).toBeLessThan(10_000);
  through.close();
});

test('one listener that fails does not keep the message from the others', async () => {
  const stop = one.bus.listen(() => {
    throw new Error('broken');
  });
  const ear = heard(one);
  await one.bus.tell('job', 'b');
  await ear.until('job b');
  stop();
  ear.stop();
});

test('ids sort by time, and are as PostgreSQL takes them', async () => {
  const at = (ms: number) => newId({ clock: { ...one.clock, now: () => ms }, random: one.random });
  const ids = [at(1), at(2), at(2 ** 40), at(2 ** 47)];
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(Array.from({ length: 1000 }, () => at(5))).size).toBe(1000);
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const { rows } = await sql<{ id: string }>`SELECT ${id}::uuid AS id`.execute(one.db);
    expect(rows[0]?.id).toBe(id);
  }
});
