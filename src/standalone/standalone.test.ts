import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TargetFacts } from '../contract/provider.ts';
import { SqliteRunStore } from './run-store.ts';
import { systemClock } from '../lib/system.ts';
import { killProcess, makeFolder, openAt, runOf, startProcess } from './testing.ts';
import { canMount } from '../../test/abilities.ts';

let folder: string;
let removeFolder: () => void;

beforeEach(() => {
  ({ folder, removeFolder } = makeFolder());
});
afterEach(() => removeFolder());

test('everything it makes is for its owner alone, whatever the umask', async () => {
  const before = process.umask(0);
  try {
    const state = join(folder, 'deep/er');
    await using standalone = await openAt(state);
    await standalone.store.createRun(runOf('run-1'));
    await using lock = await standalone.lockTarget({
      store: 'f',
      container: 'c',
      prefix: '',
      runId: 'r',
      label: 'l',
    });
    void lock;
    await standalone.connectors.save({ name: 'ab', provider: 'p', config: { a: 'b' } });
    await standalone.artifacts.put('a/b', new Uint8Array(1));
    const seen: string[] = [];
    for (const entry of readdirSync(join(folder, 'deep'), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      seen.push(entry.name);
      expect((statSync(path).mode & 0o777).toString(8), path).toBe(entry.isDirectory() ? '700' : '600');
    }
    expect(seen).toEqual(expect.arrayContaining(['state.sqlite', 'state.sqlite-wal', 'key', 'turn.sqlite', 'b']));
  } finally {
    process.umask(before);
  }
});

test.each([
  ['a file', () => join(folder, 'file')],
  ['below a file', () => join(folder, 'file', 'deep', 'er')],
  ['with too long a name', () => join(folder, 'x'.repeat(300))],
  ['below a folder that takes none', () => '/proc/nothing/deeper'],
])('a state folder that is %s is refused with a reason', async (_what, path) => {
  writeFileSync(join(folder, 'file'), '');
  await expect(openAt(path())).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'state' });
});

test('a state file of the first format goes on, with what its runs had cost', async () => {
  await using before = await openAt(folder);
  await before.store.createRun(runOf('run-1', { requests: { source: { LIST: 2 }, target: {} }, durationMs: 7 }));
  await before.close();
  const database = new DatabaseSync(join(folder, 'state.sqlite'));
  database.exec('DROP TABLE usages; DELETE FROM schema_version; INSERT INTO schema_version VALUES (1)');
  database.close();
  await using after = await openAt(folder);
  await after.store.recordUsage('run-1', 'w', { requests: { source: { LIST: 1 }, target: {} }, activeMs: 3 });
  expect(await after.store.getRun('run-1')).toMatchObject({ requests: { source: { LIST: 3 } }, durationMs: 10 });
});

describe('a state file that cannot be used is refused with a reason and stays as it was', () => {
  const path = () => join(folder, 'state.sqlite');

  async function refuses(words: RegExp): Promise<void> {
    const before = readFileSync(path());
    await expect(openAt(folder)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'state',
      message: expect.stringMatching(words) as unknown,
    });
    expect(readFileSync(path()).equals(before)).toBe(true);
  }

  async function filled(): Promise<void> {
    const standalone = await openAt(folder);
    for (let i = 0; i < 50; i++) await standalone.store.createRun(runOf(`run-${i}`));
    await standalone.close();
  }

  test('of a newer Drover', async () => {
    await filled();
    const database = new DatabaseSync(path());
    database.exec('UPDATE schema_version SET version = 999');
    database.close();
    await refuses(/newer Drover.*999/);
  });

  test('cut off', async () => {
    await filled();
    truncateSync(path(), 20_000);
    await refuses(/damaged/);
  });

  test('overwritten in the middle', async () => {
    await filled();
    const content = readFileSync(path());
    content.fill(0xee, 8192, 16_384);
    writeFileSync(path(), content);
    await refuses(/damaged/);
  });

  test('not a database', async () => {
    writeFileSync(path(), 'Dear diary, today I made a file.'.repeat(40));
    await refuses(/damaged/);
  });

  test('of another program', async () => {
    const database = new DatabaseSync(path());
    database.exec('CREATE TABLE songs (name TEXT)');
    database.close();
    await refuses(/another program/);
  });
});

test('a full state file is DISK_FULL, changes nothing, and works again with room', async () => {
  await using standalone = await openAt(folder);
  await standalone.store.createRun(runOf('run-1'));
  await standalone.store.startSegments('run-1', [{ segmentId: 's', kind: 'keys', from: null, to: null }]);
  const database = new DatabaseSync(join(folder, 'state.sqlite'));
  const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
  database.exec(`PRAGMA max_page_count = ${pages}`);
  const store = new SqliteRunStore(database, join(folder, 'state.sqlite'), systemClock);
  const lease = await store.claim('run-1', 'w');
  const many = Array.from({ length: 1000 }, (_, i) => `some/long/name/of/a/chunk/${i}`);
  const commit = {
    checkpoint: { settledKey: 'a', sourceCursor: null, targetCursor: null, nextChunk: 1 },
    addChunks: many,
    addCounters: runOf('x').counters,
    addIssues: [],
    done: false,
  };
  await expect(store.commit(lease!, commit)).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect((await store.segments('run-1'))[0]).toMatchObject({ chunks: [], checkpoint: null });
  database.exec('PRAGMA max_page_count = 100000');
  await store.commit(lease!, commit);
  expect((await store.segments('run-1'))[0]?.chunks).toEqual(many);
  database.close();
});

test.skipIf(!canMount)(
  'a really full disk is DISK_FULL for state and artifacts (needs the right to mount)',
  async () => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk]);
    try {
      const standalone = await openAt(disk);
      await standalone.artifacts.put('a/b', new Uint8Array(1000));
      await expect(standalone.artifacts.put('a/b', new Uint8Array(1_000_000))).rejects.toMatchObject({
        code: 'DISK_FULL',
      });
      expect((await standalone.artifacts.get('a/b'))?.length).toBe(1000);
      expect(readdirSync(join(disk, 'artifacts/a'))).toEqual(['b']);
      const fill = async () => {
        for (let i = 0; i < 2000; i++) await standalone.store.createRun(runOf(`run-${i}`));
      };
      await expect(fill()).rejects.toMatchObject({ code: 'DISK_FULL' });
      const runs = await standalone.store.listRuns(5000);
      expect(runs.length).toBeGreaterThan(0);
      await standalone.close();
    } finally {
      execFileSync('umount', [disk]);
    }
  },
);

test('many processes may open a new folder at the same moment', async () => {
  const work = (i: number) => `await standalone.store.createRun(runOf('run-${i}'));`;
  const children = await Promise.all(Array.from({ length: 6 }, (_, i) => startProcess(folder, work(i))));
  for (const child of children) await killProcess(child);
  await using standalone = await openAt(folder);
  expect(await standalone.store.listRuns(10)).toHaveLength(6);
});

test('facts come back per store and container', async () => {
  await using standalone = await openAt(folder);
  const facts: TargetFacts = {
    observedAtMs: 5,
    createOnly: 'honoured',
    matchOnWrite: 'ignored',
    matchOnComplete: 'unknown',
    matchOnDelete: 'refused',
    etagQuotes: 'unquoted',
    contentMd5: 'honoured',
    checksums: { crc64nvme: 'ignored' },
    returned: ['md5'],
    partNumberReads: 'unknown',
    tagsOnBegin: 'honoured',
  };
  await standalone.facts.put('f', 'c', { ...facts, observedAtMs: 1 });
  await standalone.facts.put('f', 'c', facts);
  expect(await standalone.facts.get('f', 'c')).toEqual(facts);
  expect(await standalone.facts.get('f', 'd')).toBeNull();
  expect(await standalone.facts.get('g', 'c')).toBeNull();
});

test('a copy of the folder opens: no state is outside of it', async () => {
  const standalone = await openAt(folder);
  await standalone.store.createRun(runOf('run-1'));
  await standalone.close();
  const { folder: other, removeFolder: removeOther } = makeFolder();
  copyFileSync(join(folder, 'state.sqlite'), join(other, 'state.sqlite'));
  await using later = await openAt(other);
  expect(await later.store.getRun('run-1')).toEqual(runOf('run-1'));
  await later.close();
  removeOther();
});
