/** The embedded PostgreSQL where the machine, the folder or the package are not as they should be. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { canMount, isRoot } from '../../../test/abilities.ts';
import { makeTestFolder } from '../../../test/postgres.ts';
import { findNativeFolder } from './postgres-binaries.ts';
import { hold, query, start, until } from './testing.ts';

/** One cluster that works, for tests that spoil it and put it right again. */
let sharedFolder: string | null = null;
async function shared(): Promise<string> {
  if (sharedFolder === null) {
    sharedFolder = makeTestFolder('trouble');
    const postgres = await start(sharedFolder);
    await query(postgres.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await postgres.stop();
  }
  return sharedFolder;
}

describe.skipIf(inject('servers').postgres?.hasEmbedded !== true)('an embedded PostgreSQL in trouble', () => {
  test.each([
    ['as soon as it began', (folder: string) => existsSync(folder)],
    ['while it made its tables', (folder: string) => existsSync(join(folder, 'global', 'pg_control'))],
    ['shortly before the end', (folder: string) => existsSync(join(folder, 'base', '5'))],
  ])('a server that is killed %s leaves nothing that hinders the next', async (_when, isThere) => {
    const folder = await killedWhile(isThere);
    const inside = join(folder, 'postgres');
    expect(existsSync(join(inside, 'cluster'))).toBe(false);
    const postgres = await start(folder);
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(list(inside).toSorted()).toEqual(['cluster', 'password', 'postgres.log', 'socket']);
  });

  test('a cluster of another major version is refused with what to do, and left alone', async () => {
    const folder = await shared();
    const file = join(folder, 'postgres', 'cluster', 'PG_VERSION');
    const version = readFileSync(file, 'utf8');
    writeFileSync(file, '16\n');
    await expect(start(folder)).rejects.toMatchObject({
      code: 'DATABASE_MISMATCH',
      message: expect.stringMatching(/made by PostgreSQL 16; this Drover brings PostgreSQL \d+/),
      remedy: expect.stringContaining('drover db backup'),
    });
    expect(readFileSync(file, 'utf8')).toBe('16\n');
    writeFileSync(file, version);
    const postgres = await start(folder);
    expect(await query(postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  test('a folder that we did not finish is never wiped', async () => {
    const folder = await shared();
    const marker = join(folder, 'postgres', 'cluster', 'drover-complete');
    const words = readFileSync(marker);
    rmSync(marker);
    await expect(start(folder)).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE' });
    expect(existsSync(join(folder, 'postgres', 'cluster', 'PG_VERSION'))).toBe(true);
    writeFileSync(marker, words);
  });

  test('a password that is lost or not the one is told as that', async () => {
    const folder = await shared();
    const file = join(folder, 'postgres', 'password');
    const password = readFileSync(file, 'utf8');
    for (const words of [null, 'another\n']) {
      if (words === null) rmSync(file);
      else writeFileSync(file, words);
      const error = await start(folder).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'DATABASE_UNUSABLE' });
      expect((error as Error).message).toContain('password');
    }
    writeFileSync(file, password, { mode: 0o600 });
    const postgres = await start(folder);
    expect(await query(postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  test('what the server says at a start that fails is passed on', async () => {
    const folder = await shared();
    const control = join(folder, 'postgres', 'cluster', 'global', 'pg_control');
    const content = readFileSync(control);
    const { uid, gid } = statSync(control);
    rmSync(control);
    await expect(start(folder)).rejects.toMatchObject({
      code: 'DATABASE_UNUSABLE',
      message: expect.stringMatching(/pg_control|database system/),
    });
    writeFileSync(control, content, { mode: 0o600 });
    execFileSync('chown', [`${uid}:${gid}`, control]);
    const postgres = await start(folder);
    expect(await query(postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  test('a folder that vanishes is told as that, and no empty database takes its place', async () => {
    const folder = makeTestFolder('vanished');
    const postgres = await start(folder);
    const codes = new Set<string>();
    postgres.onExit(({ error }) => codes.add(error.code));
    renameSync(join(folder, 'postgres'), join(folder, 'elsewhere'));
    process.kill(postgres.pid, 'SIGKILL');
    await until(() => codes.has('DATABASE_UNUSABLE'));
    expect(existsSync(join(folder, 'postgres'))).toBe(false);
    renameSync(join(folder, 'elsewhere'), join(folder, 'postgres'));
    await until(() =>
      query(postgres.url, 'SELECT 1').then(
        () => true,
        () => false,
      ),
    );
  });

  test("somebody else's folder for the socket is not used", async () => {
    const shortFolder = makeTestFolder('short');
    const folder = join(makeTestFolder('squat'), 'z'.repeat(100));
    const first = await start(folder, { shortFolder });
    const name = readdirSync(shortFolder)[0] as string;
    await first.stop();
    rmSync(join(shortFolder, name), { recursive: true });
    mkdirSync(join(shortFolder, name), { mode: 0o777 });
    chmodSync(join(shortFolder, name), 0o777);
    await expect(start(folder, { shortFolder })).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE' });
    rmSync(join(shortFolder, name), { recursive: true });
    symlinkSync('/tmp', join(shortFolder, name));
    await expect(start(folder, { shortFolder })).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE' });
  });

  describe('the package', () => {
    /** As npm leaves it where install scripts are off. */
    function copyPackage(home: string): string {
      const native = join(home, 'package', 'native');
      cpSync(findNativeFolder(), native, { recursive: true, verbatimSymlinks: true });
      cpSync(join(findNativeFolder(), '..', 'package.json'), join(home, 'package', 'package.json'));
      for (const name of readdirSync(join(native, 'lib'))) {
        if (lstatSync(join(native, 'lib', name)).isSymbolicLink()) unlinkSync(join(native, 'lib', name));
      }
      return native;
    }

    test('is used in place once its library links are made', async () => {
      const home = makeTestFolder('links');
      const native = copyPackage(home);
      const postgres = await start(await shared(), { native, copyFolders: [join(home, 'copies')] });
      expect(await query(postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
      expect(existsSync(join(home, 'copies'))).toBe(false);
      expect(
        readdirSync(join(native, 'lib')).some((name) => lstatSync(join(native, 'lib', name)).isSymbolicLink()),
      ).toBe(true);
    });

    test.skipIf(!isRoot)('is copied once per version where it lies below a closed home', async () => {
      const home = makeTestFolder('home');
      const native = copyPackage(home);
      chmodSync(home, 0o700);
      const open = makeTestFolder('open');
      const copyFolders = [join(home, 'unreachable'), open];
      const first = await start(await shared(), { native, copyFolders });
      expect(await query(first.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
      expect(first.logged.join()).toContain('copied the embedded PostgreSQL');
      await first.stop();
      expect(readdirSync(open)).toHaveLength(1);
      expect(existsSync(join(home, 'unreachable'))).toBe(false);
      const copy = join(open, readdirSync(open)[0] as string);
      const { ino } = statSync(copy);
      const second = await start(await shared(), { native, copyFolders });
      expect(second.logged.join()).not.toContain('copied');
      expect(statSync(copy).ino).toBe(ino);
      await second.stop();
      // Half a copy of an earlier day is made anew.
      rmSync(join(copy, 'lib'), { recursive: true });
      const third = await start(await shared(), { native, copyFolders });
      expect(await query(third.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    });

    test('that runs nowhere is DATABASE_UNUSABLE, naming each place and the way out', async () => {
      const home = makeTestFolder('nowhere');
      const native = copyPackage(home);
      rmSync(join(native, 'lib', 'libcrypto.so.1.1'));
      await expect(start(await shared(), { native, copyFolders: [join(home, 'copies')] })).rejects.toMatchObject({
        code: 'DATABASE_UNUSABLE',
        message: expect.stringContaining('libcrypto'),
        remedy: expect.stringContaining('DATABASE_URL'),
      });
      expect(readdirSync(join(home, 'copies'))).toEqual([]);
    });

    test('that npm did not install is DATABASE_UNUSABLE', () => {
      expect(() => findNativeFolder('sunos', 'sparc')).toThrow(
        expect.objectContaining({ code: 'DATABASE_UNUSABLE', message: expect.stringContaining('sunos-sparc') }),
      );
    });
  });

  describe.skipIf(!canMount)('on a disk that is full', () => {
    function mount(megabytes: number): string {
      const folder = makeTestFolder('disk');
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
      onTestFinished(() => void execFileSync('umount', ['-l', folder]));
      return folder;
    }

    test('making it is DISK_FULL and leaves no rubbish', async () => {
      const disk = mount(20);
      await expect(start(disk)).rejects.toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining(disk) });
      expect(list(join(disk, 'postgres')).filter((name) => name.startsWith('initdb'))).toEqual([]);
    });

    test('it stops, says why, and goes on by itself with every row when there is room again', async () => {
      const disk = mount(120);
      const postgres = await start(disk);
      await query(postgres.url, 'CREATE TABLE kept (n int, words text)');
      const codes = new Set<string>();
      postgres.onExit(({ error }) => codes.add(error.code));
      const ballast = join(disk, 'ballast');
      let committed = 0;
      const insert = `INSERT INTO kept SELECT g, repeat(md5(g::text), 60) FROM generate_series(1, 500) g`;
      fill(disk, ballast);
      for (;;) {
        try {
          await query(postgres.url, insert);
          committed += 500;
        } catch {
          break;
        }
      }
      expect(committed).toBeGreaterThan(0);
      // Not even room for the small files of a start.
      fillUp(join(disk, 'last'));
      process.kill(postgres.pid, 'SIGKILL');
      await until(() => codes.has('DISK_FULL'));
      rmSync(join(disk, 'last'));
      rmSync(ballast);
      await until(async () => {
        const rows = await query(postgres.url, 'SELECT count(*)::int AS n FROM kept').catch(() => null);
        return rows?.[0]?.['n'] === committed;
      });
      await query(postgres.url, insert);
    });
  });
});

/** The moment passes by itself, and on a busy machine unseen: as many folders as it takes, until one is left in it. */
async function killedWhile(isThere: (made: string) => boolean): Promise<string> {
  for (;;) {
    const folder = makeTestFolder('initdb');
    const inside = join(folder, 'postgres');
    const isOver = (): boolean => existsSync(join(inside, 'cluster'));
    const isNow = (name: string): boolean => /^initdb-\d+-\w+$/.test(name) && isThere(join(inside, name));
    const holder = hold(folder);
    await until(() => isOver() || list(inside).some(isNow));
    await holder.kill();
    if (!isOver()) return folder;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Leaves nothing. */
function fillUp(path: string): void {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4k'], { stdio: 'ignore' });
  } catch {
    // It ends where the disk does.
  }
}

/** Leaves a few megabytes. */
function fill(disk: string, path: string): void {
  const freeKilobytes = Number(execFileSync('df', ['--output=avail', disk], { encoding: 'utf8' }).split('\n')[1]);
  execFileSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=1k', `count=${Math.max(0, freeKilobytes - 6_000)}`], {
    stdio: 'ignore',
  });
}
