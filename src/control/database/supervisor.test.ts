/** The embedded PostgreSQL from its first start to its end, as whoever runs these tests and as another account. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { isRoot } from '../../../test/abilities.ts';
import { makeTestFolder } from '../../../test/postgres.ts';
import { openDatabase } from './connect.ts';
import { hold, isRunning, query, start, until } from './testing.ts';

/** Any account of this machine that is neither root nor the one that root's database gets. */
const ORDINARY = readFileSync('/etc/passwd', 'utf8')
  .split('\n')
  .map((line) => ({ uid: Number(line.split(':')[2]), gid: Number(line.split(':')[3]) }))
  .find(({ uid }) => uid > 0 && uid < 65_534) as { uid: number; gid: number };

/** Making one takes seconds on a busy machine; most tests can do with the same, one after the other. */
let sharedFolder: string | null = null;
function shared(): string {
  sharedFolder ??= makeTestFolder('shared');
  return sharedFolder;
}

describe.skipIf(inject('servers').postgres?.hasEmbedded !== true)('the embedded PostgreSQL', () => {
  test('is made, ended, and found again with its rows', async () => {
    const folder = makeTestFolder('life');
    const first = await start(folder);
    await query(first.url, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)');
    const { pid } = first;
    await Promise.all([first.stop(), first.stop()]);
    expect(isRunning(pid)).toBe(false);
    const second = await start(folder);
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
    expect(second.logged.join()).not.toContain(new URL(second.url.replace('@/', '@x/')).password);
  });

  test('is closed to everybody else', async () => {
    const folder = shared();
    const { url } = await start(folder);
    const inside = join(folder, 'postgres');
    expect(statSync(join(inside, 'password')).mode & 0o777).toBe(0o600);
    for (const name of ['.', 'cluster', 'socket']) expect(statSync(join(inside, name)).mode & 0o077).toBe(0);
    await expect(query(url.replace(/:[0-9a-f]+@/, ':guessed@'), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(await query(url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }]);
  });

  test('writes to the disk what it says is written, and stays small', async () => {
    const { url } = await start(shared());
    const rows = await query(
      url,
      `SELECT name, setting FROM pg_settings WHERE name IN
       ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'jit', 'server_encoding') ORDER BY name`,
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      data_checksums: 'on',
      fsync: 'on',
      full_page_writes: 'on',
      jit: 'off',
      server_encoding: 'UTF8',
      synchronous_commit: 'on',
    });
    expect(await query(url, `SELECT lower('ÄΣЖ') AS low, 'a' < 'B' AS mixed`)).toEqual([{ low: 'äσж', mixed: false }]);
    // A checkpointer, two writers and the autovacuum launcher, whose workers come and go.
    const own = await query(
      url,
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_type NOT IN ('client backend', 'autovacuum worker')`,
    );
    expect(own[0]?.['n']).toBeLessThanOrEqual(4);
    // And our guard, beside this query. Those of the queries before may still be leaving.
    await until(async () => {
      const rows = await query(
        url,
        `SELECT application_name AS name FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      );
      return rows.length === 1 && rows[0]?.['name'] === 'drover-guard';
    });
  });

  test('does not hear the Ctrl-C that is meant for us', async () => {
    const { pid } = await start(shared());
    const [, , group, session] = (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] as string).split(' ');
    expect([group, session]).toEqual([String(pid), String(pid)]);
  });

  test('outlives a server that is killed, and is taken over by the next', async () => {
    const folder = shared();
    const holder = hold(folder);
    const { url, pid } = await holder.next();
    await query(url as string, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept (n int); INSERT INTO kept VALUES (2)');
    await holder.kill();
    expect(isRunning(pid as number)).toBe(true);
    const next = await start(folder);
    expect(next.pid).toBe(pid);
    expect(await query(next.url, 'SELECT n FROM kept')).toEqual([{ n: 2 }]);
    await next.stop();
    expect(isRunning(pid as number)).toBe(false);
  });

  test('is started again when it is killed, while a query keeps one of its processes busy', async () => {
    const postgres = await start(shared());
    await query(postgres.url, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n');
    const codes: string[] = [];
    postgres.onExit(({ error, isFinal }) => codes.push(`${error.code} ${isFinal}`));
    const returned = new Promise<void>((resolve) => postgres.onReturn(resolve));
    // It does not look up while it computes, and keeps the shared memory in use.
    const busy = query(postgres.url, `SELECT count(*) FROM generate_series(1, 1e9::bigint) AS a WHERE a % 7 = 8`);
    const failed = busy.catch((error: unknown) => error);
    await until(async () => {
      const rows = await query(
        postgres.url,
        `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1e9%' AND pid <> pg_backend_pid()`,
      );
      return rows.length > 0;
    });
    const { pid } = postgres;
    process.kill(pid, 'SIGKILL');
    await returned;
    expect(await failed).toBeInstanceOf(Error);
    expect(codes[0]).toBe('DATABASE_UNAVAILABLE false');
    expect(postgres.pid).not.toBe(pid);
    expect(await query(postgres.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 1000 }]);
  });

  test('is started again each time, and a server that was taken over as well', async () => {
    const folder = shared();
    const holder = hold(folder);
    await holder.next();
    await holder.kill();
    const postgres = await start(folder);
    for (let round = 0; round < 3; round += 1) {
      const returned = new Promise<void>((resolve) => {
        const forget = postgres.onReturn(() => {
          forget();
          resolve();
        });
      });
      process.kill(postgres.pid, 'SIGKILL');
      await returned;
      expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    }
  });

  test('keeps every row that it said was written, however often it is killed', async () => {
    const postgres = await start(shared());
    await query(postgres.url, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept (n int PRIMARY KEY)');
    const database = await openDatabase({ url: postgres.url, log: () => undefined });
    onTestFinished(() => database.close());
    const acknowledged: number[] = [];
    let returns = 0;
    postgres.onReturn(() => (returns += 1));
    let isOver = false;
    const write = async (lane: number): Promise<void> => {
      for (let n = lane; !isOver; n += 4) {
        try {
          await database.pool.query('INSERT INTO kept VALUES ($1)', [n]);
          acknowledged.push(n);
        } catch (error) {
          expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
          await until(() =>
            query(postgres.url, 'SELECT 1').then(
              () => true,
              () => false,
            ),
          );
        }
      }
    };
    const writing = Promise.all([0, 1, 2, 3].map(write));
    for (const more of [1, 40, 7, 100, 23]) {
      const goal = acknowledged.length + more;
      await until(() => acknowledged.length >= goal);
      const before = returns;
      // Its processes live on for a moment, and go on taking rows.
      process.kill(postgres.pid, 'SIGKILL');
      await until(() => returns > before && acknowledged.length >= goal + 10);
    }
    isOver = true;
    await writing;
    const rows = await query(postgres.url, 'SELECT n FROM kept');
    const kept = new Set(rows.map(({ n }) => n));
    expect(acknowledged.filter((n) => !kept.has(n))).toEqual([]);
  });

  test('comes back by itself when one of its connections is killed', async () => {
    const postgres = await start(shared());
    const returned = new Promise<void>((resolve) => postgres.onReturn(resolve));
    const { pid } = postgres;
    const rows = await query(postgres.url, `SELECT pid FROM pg_stat_activity WHERE application_name = 'drover-guard'`);
    process.kill(rows[0]?.['pid'] as number, 'SIGKILL');
    await returned;
    expect(postgres.pid).toBe(pid);
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('recovers when everything died at once', async () => {
    const folder = shared();
    const holder = hold(folder);
    const { url, pid } = await holder.next();
    await query(url as string, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT generate_series(1, 500) AS n');
    holder.child.kill('SIGKILL');
    for (const name of readdirSync('/proc')) {
      if (/^\d+$/.test(name) && groupOf(name) === pid) tryKill(Number(name));
    }
    const next = await start(folder);
    expect(next.pid).not.toBe(pid);
    expect(await query(next.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 500 }]);
  });

  test('belongs to one server: a second is refused, and nothing happens to the first', async () => {
    const folder = shared();
    const first = await start(folder);
    await expect(start(folder)).rejects.toMatchObject({ code: 'GUARD_BUSY', message: expect.stringContaining(folder) });
    expect(isRunning(first.pid)).toBe(true);
    expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('lost to another server while ours slept, it is left to that one', async () => {
    const folder = shared();
    const sleeper = hold(folder);
    const { pid } = await sleeper.next();
    sleeper.child.kill('SIGSTOP');
    process.kill(pid as number, 'SIGKILL');
    await until(() => !isRunning(pid as number));
    const next = await start(folder);
    sleeper.child.kill('SIGCONT');
    expect(await sleeper.next()).toMatchObject({ type: 'exit', code: 'DATABASE_UNAVAILABLE', isFinal: false });
    expect(await sleeper.next()).toMatchObject({ type: 'exit', code: 'GUARD_BUSY', isFinal: true });
    expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('of several that start together on an empty folder one wins', async () => {
    const folder = makeTestFolder('race');
    const holders = [hold(folder), hold(folder), hold(folder)];
    const words = await Promise.all(holders.map((each) => each.next()));
    expect(words.map(({ type, code }) => `${type} ${code ?? ''}`).toSorted()).toEqual([
      'error GUARD_BUSY',
      'error GUARD_BUSY',
      'ready ',
    ]);
    const winner = holders[words.findIndex(({ type }) => type === 'ready')];
    await winner?.end();
    expect(readdirSync(join(folder, 'postgres')).toSorted()).toEqual(['cluster', 'password', 'postgres.log', 'socket']);
  });

  test('serves a guest beside its server, and is left as it was', async () => {
    const folder = shared();
    const owner = await start(folder);
    const guest = await start(folder, { isGuest: true });
    expect(guest.url).toBe(owner.url);
    await guest.stop();
    expect(isRunning(owner.pid)).toBe(true);
    const left = await start(folder, { isGuest: true });
    const told = new Promise((resolve) => left.onExit(resolve));
    await owner.stop();
    expect(await told).toMatchObject({ error: { code: 'DATABASE_UNAVAILABLE' }, isFinal: true });
    expect(isRunning(left.pid)).toBe(false);
    const alone = await start(folder, { isGuest: true });
    await expect(start(folder)).rejects.toMatchObject({ code: 'GUARD_BUSY' });
    const { pid } = alone;
    await alone.stop();
    expect(isRunning(pid)).toBe(false);
  });

  test('starts beside a process that got the number of one that is gone', async () => {
    const folder = shared();
    await (await start(folder)).stop();
    const cluster = join(folder, 'postgres', 'cluster');
    const { uid, gid } = statSync(cluster);
    const stranger = spawn('sleep', ['600'], { uid, gid, cwd: '/' });
    await once(stranger, 'spawn');
    const file = join(cluster, 'postmaster.pid');
    writeFileSync(file, `${stranger.pid}\n${cluster}\n1700000000\n5432\n../socket\n\n\nready   \n`, { mode: 0o600 });
    chownSync(file, uid, gid);
    const postgres = await start(folder);
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(stranger.exitCode).toBeNull();
    stranger.kill();
  });

  test('keeps its socket elsewhere where its path would be too long', async () => {
    const folder = join(makeTestFolder('long'), 'x'.repeat(60), 'y'.repeat(60));
    const postgres = await start(folder);
    expect(decodeURIComponent(postgres.url)).not.toContain('yyyy');
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await postgres.stop();
    expect((await start(folder)).url).toBe(postgres.url);
  });

  describe.skipIf(!isRoot)('as root', () => {
    test('runs as an account that owns nothing else, in a folder that it could not enter', async () => {
      const home = makeTestFolder('root-home');
      chmodSync(home, 0o700);
      const postgres = await start(join(home, 'data'));
      expect(readFileSync(`/proc/${postgres.pid}/status`, 'utf8')).toMatch(/^Uid:\s+65534\s+65534/m);
      expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      process.kill(postgres.pid, 'SIGKILL');
      await new Promise<void>((resolve) => postgres.onReturn(resolve));
      expect(statSync(home).mode & 0o777).toBe(0o700);
    });

    test('goes on with what an ordinary user began, as that user', async () => {
      const folder = makeTestFolder('of-user');
      chownSync(folder, ORDINARY.uid, ORDINARY.gid);
      const holder = hold(folder, ORDINARY);
      await holder.next();
      await holder.end();
      const postgres = await start(folder);
      expect(readFileSync(`/proc/${postgres.pid}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\s+${ORDINARY.uid}`, 'm'));
    });
  });

  test.skipIf(!isRoot)('as an ordinary user: made, killed, taken over, ended', async () => {
    const folder = makeTestFolder('user');
    chownSync(folder, ORDINARY.uid, ORDINARY.gid);
    chmodSync(folder, 0o700);
    const first = hold(folder, ORDINARY);
    const ready = await first.next();
    expect(ready).toMatchObject({ type: 'ready' });
    expect(readFileSync(`/proc/${ready['pid']}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\s+${ORDINARY.uid}`, 'm'));
    process.kill(ready['pid'] as number, 'SIGKILL');
    expect(await first.next()).toMatchObject({ type: 'exit', code: 'DATABASE_UNAVAILABLE' });
    const returned = await first.next();
    expect(returned).toMatchObject({ type: 'return' });
    await first.kill();
    const second = hold(folder, ORDINARY);
    expect(await second.next()).toMatchObject({ type: 'ready', pid: returned['pid'] });
    await second.end();
    expect(isRunning(returned['pid'] as number)).toBe(false);
    expect(existsSync(join(folder, 'postgres', 'cluster'))).toBe(true);
  });
});

function groupOf(id: string): number {
  try {
    return Number(readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1]?.split(' ')[2]);
  } catch {
    return 0;
  }
}

function tryKill(id: number): void {
  try {
    process.kill(id, 'SIGKILL');
  } catch {
    // It went by itself.
  }
}
