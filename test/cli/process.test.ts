/** The command line as a process, against real servers: Azurite, folders, and Ceph RGW where it is there. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { RawStore } from '../raw-s3.ts';
import { openShell, type Ended, type Shell } from './process.ts';

const { azurite, rgw } = inject('servers');
const bucket = `cli-${process.pid}-${Math.trunc(performance.timeOrigin).toString(36)}`;
const DROVER = fileURLToPath(new URL('../../bin/drover', import.meta.url));

let shell: Shell;

beforeAll(() => {
  shell = openShell(azurite, rgw);
});

afterAll(async () => {
  if (rgw !== null) {
    await shell.drover('rm', `ceph:${bucket}`, '--recursive', '--yes');
    await new RawStore(rgw).send('DELETE', bucket, null);
  }
  shell.remove();
});

/** 60 small files in folders, one empty, one larger. */
function makeTree(folder: string, largeBytes: number): { readonly count: number; readonly bytes: number } {
  let bytes = 0;
  const write = (name: string, content: Uint8Array | string): void => {
    const path = join(folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    bytes += Buffer.byteLength(content);
  };
  for (let i = 0; i < 60; i++) write(`nested/${i % 7}/file-${i}.txt`, `content of file ${i}`);
  write('grüße/naïve ü.txt', 'unicode');
  write('empty', '');
  write('large.bin', Buffer.alloc(largeBytes, 7));
  return { count: 63, bytes };
}

const targets = [
  // The emulator proves no block, so that what is sent in blocks is known by its size only.
  ['azure', 900_000, () => true],
  ['ceph', 12_000_000, () => rgw !== null],
] as const;

describe.each(targets)('a folder and %s', (connector, largeBytes, isThere) => {
  const place = `${connector}:${bucket}`;

  test.runIf(isThere())('copies, then has nothing to do and asks nothing per object', async () => {
    const tree = makeTree(join(shell.folder, `tree-${connector}`), largeBytes);
    const made = await shell.drover('mkbucket', place);
    expect(made.exit, made.stderr).toBe(0);
    const first = await shell.drover('copy', `./tree-${connector}`, `${place}/in`);
    expect(first.exit, first.stderr).toBe(0);
    expect(first.summary).toMatchObject({
      state: 'succeeded',
      items: { scanned: tree.count, copied: tree.count, failed: 0 },
      bytes: { scanned: tree.bytes, copied: tree.bytes },
      error: null,
    });
    const proved = Object.values(first.summary.verification).reduce((sum, count) => sum + count, 0);
    expect(proved).toBe(tree.count);
    const second = await shell.drover('copy', `./tree-${connector}`, `${place}/in`);
    expect(second.summary).toMatchObject({ items: { scanned: tree.count, copied: 0, same: tree.count } });
    const requests = Object.values(second.summary.requests.target).reduce((sum, count) => sum + count, 0);
    expect(requests, JSON.stringify(second.summary.requests)).toBeLessThan(12);
  });

  test.runIf(isThere())('ls, du, cat, check and verify agree', async () => {
    const listed = await shell.drover('ls', `${place}/in`);
    expect(listed.lines.filter((line) => line['type'] === 'entry')).toHaveLength(63);
    const measured = await shell.drover('du', `${place}/in/nested`);
    expect(measured.summary.items['scanned']).toBe(60);
    const content = await shell.plain('cat', `${place}/in/nested/3/file-3.txt`);
    expect(content).toMatchObject({ exit: 0, stdout: 'content of file 3' });
    const checked = await shell.drover('check', `./tree-${connector}`, `${place}/in`);
    expect(checked.exit, checked.stderr).toBe(0);
    const back = await shell.drover('copy', `${place}/in`, `./back-${connector}`);
    expect(back.exit, back.stderr).toBe(0);
    expect(readFileSync(join(shell.folder, `back-${connector}`, 'grüße/naïve ü.txt'), 'utf8')).toBe('unicode');
    const verified = await shell.drover('verify', String(back.summary.runId));
    expect(verified.exit, verified.stderr).toBe(0);
    writeFileSync(join(shell.folder, `back-${connector}`, 'empty'), 'not any more');
    expect((await shell.drover('verify', String(back.summary.runId))).exit).toBe(4);
  });

  test.runIf(isThere())('sync deletes what is gone, after a dry run that did not, and under a cap', async () => {
    rmSync(join(shell.folder, `tree-${connector}`, 'nested/0'), { recursive: true });
    const dry = await shell.drover('sync', `./tree-${connector}`, `${place}/in`, '--dry-run');
    expect(dry.exit, dry.stderr).toBe(0);
    expect((await shell.drover('du', `${place}/in/nested/0`)).summary.items['scanned']).toBe(9);
    const capped = await shell.drover('sync', `./tree-${connector}`, `${place}/in`, '--max-delete', '5');
    expect(capped).toMatchObject({ exit: 6, summary: { error: { code: 'GUARD_DELETE_CAP' } } });
    const synced = await shell.drover('sync', '--max-delete', '9', `./tree-${connector}`, `${place}/in`);
    expect(synced).toMatchObject({ exit: 0, summary: { items: { deleted: 9, copied: 0 } } });
    const gone = await shell.drover('ls', `${place}/in/nested/0`);
    expect(gone).toMatchObject({ exit: 2, summary: { error: { code: 'SOURCE_NOT_FOUND' } } });
  });

  test.runIf(isThere())('killed, the same command continues the same run', async () => {
    const folder = join(shell.folder, `many-${connector}`);
    mkdirSync(folder);
    for (let i = 0; i < 400; i++) writeFileSync(join(folder, `k${i}`), Buffer.alloc(20_000, i % 251));
    let runId = '';
    // So slow that it is under way for a minute, whenever what it says is heard.
    const words = ['copy', `./many-${connector}`, `${place}/many`, '--bwlimit', '128kB', '--transfers', '4'];
    const killed = await shell.start(
      (line, child) => {
        const value = JSON.parse(line) as { type: string; runId: string; items?: { copied: number } };
        if (value.type === 'run') runId = value.runId;
        if (value.type === 'progress') child.kill('SIGKILL');
      },
      ...words,
    );
    expect(killed.exit).toBe(null);
    expect(runId).not.toBe('');
    expect((await shell.plain('runs')).stdout).toMatch(new RegExp(`${runId} .* Interrupted `));
    for (const words of [['runs'], ['runs', 'show', runId]]) {
      const [line] = (await shell.drover(...words)).lines;
      expect(line).toMatchObject({ type: 'run', runId, state: 'interrupted' });
    }
    expect((await shell.plain('runs', 'show', runId)).stdout).toContain('Interrupted; the same command continues');
    const continued = await shell.drover('copy', `./many-${connector}`, `${place}/many`);
    expect(continued.exit, continued.stderr).toBe(0);
    expect(continued.summary.runId).toBe(runId);
    expect(continued.summary.items).toMatchObject({ scanned: 400, failed: 0 });
    expect((continued.summary.items['copied'] ?? 0) + (continued.summary.items['same'] ?? 0)).toBe(400);
    expect((await shell.drover('check', `./many-${connector}`, `${place}/many`)).exit).toBe(0);
    const runs = (await shell.plain('runs')).stdout;
    expect(runs).toContain('400 compared');
    expect(runs).not.toContain('Interrupted');
    expect(runs).toMatch(new RegExp(`  /\\S+/many-${connector} → `));
    expect(runs).not.toContain('./many');
    const fresh = await shell.drover('copy', `./many-${connector}`, `${place}/many`, '--fresh');
    expect(fresh.summary.runId).not.toBe(runId);
  });

  test.runIf(isThere())('interrupted, it says how to go on', async () => {
    const words = ['copy', `./many-${connector}`, `${place}/again`, '--bwlimit', '128kB', '--transfers', '4'];
    const stopped = await shell.start(
      (line, child) => {
        if ((JSON.parse(line) as { type: string }).type === 'progress') child.kill('SIGINT');
      },
      ...words,
    );
    expect(stopped.exit, stopped.stderr).toBe(130);
    expect(stopped.stderr).toContain('Stopping cleanly; the same command continues. Again to stop at once.');
    expect(stopped.summary.runId).not.toBe(null);
    const continued = await shell.drover('copy', `./many-${connector}`, `${place}/again`);
    expect(continued).toMatchObject({ exit: 0, summary: { runId: stopped.summary.runId, items: { scanned: 400 } } });
  });

  test.runIf(isThere())('a target that another run is writing to is refused', async () => {
    let other: Promise<Ended> | null = null;
    const words = ['copy', `./many-${connector}`, `${place}/busy`, '--bwlimit', '128kB', '--transfers', '4'];
    const stopped = await shell.start(
      (line, child) => {
        if ((JSON.parse(line) as { type: string }).type !== 'progress' || other !== null) return;
        other = shell.drover('sync', `./tree-${connector}`, `${place}/busy/below`);
        void other.then(() => child.kill('SIGTERM'));
      },
      ...words,
    );
    expect(await other).toMatchObject({ exit: 6, summary: { error: { code: 'GUARD_BUSY' } } });
    expect(stopped.exit, stopped.stderr).toBe(130);
    expect(stopped.summary).toMatchObject({ error: { code: 'CANCELLED' }, runId: expect.any(String) });
  });

  test.runIf(isThere())('rm needs a yes and takes what is below the place', async () => {
    expect((await shell.drover('rm', place, '--recursive')).exit).toBe(6);
    const removed = await shell.drover('rm', place, '--recursive', '--yes');
    expect(removed.exit, removed.stderr).toBe(0);
    expect((await shell.drover('du', place)).summary.items['scanned']).toBe(0);
  });
});

describe('wrong input', () => {
  test.each([
    [['copy', '--transfer', '4', 'a', 'b'], 2, 'USAGE'],
    [['copy', './nothing', 'azure:nowhere'], 2, 'SOURCE_NOT_FOUND'],
    [['copy', '.', 'azure:no-such-container-here'], 2, 'PLACE_NOT_FOUND'],
    [['ls', 'azure:no-such-container-here'], 2, 'PLACE_NOT_FOUND'],
    [['ls', 'nobody:'], 2, 'CONNECTOR_NOT_FOUND'],
    [['copy', '.', './inside'], 2, 'PLACES_OVERLAP'],
  ])('%j', async (words, exit, code) => {
    const called = await shell.drover(...words);
    expect(called.exit, called.stderr).toBe(exit);
    expect(called.summary.error?.code).toBe(code);
    expect(called.stderr).not.toMatch(/\n\s+at /);
  });

  test('a key that the store does not accept is a configuration fault', async () => {
    const wrong = openShell({ ...azurite, accountKey: Buffer.alloc(64).toString('base64') }, null);
    try {
      const called = await wrong.drover('ls', 'azure:any-container');
      expect(called.exit).toBe(2);
      // Azurite calls a wrong signature a missing right.
      expect(['UNAUTHENTICATED', 'PERMISSION_DENIED']).toContain(called.summary.error?.code);
    } finally {
      wrong.remove();
    }
  });

  test('a host that nobody answers at is said, and soon', async () => {
    const wrong = openShell({ ...azurite, endpoint: 'http://127.0.0.1:9/devstoreaccount1' }, null);
    try {
      const called = await wrong.drover('copy', 'azure:any-container', './out');
      expect(called).toMatchObject({ exit: 5, summary: { error: { code: 'UNREACHABLE' } } });
    } finally {
      wrong.remove();
    }
  });
});

describe('the start script', () => {
  test('follows its own link and hands over its process', () => {
    const link = join(shell.folder, 'linked drover');
    symlinkSync(DROVER, link);
    expect(execFileSync(link, ['version'], { encoding: 'utf8' })).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('output that nobody reads ends quietly', () => {
    const output = execFileSync('sh', ['-c', '"$1" help copy | head -n 1', 'sh', DROVER], { encoding: 'utf8' });
    expect(output).toMatch(/^Usage: drover copy/);
  });
});
