/** The demo as people run it, with less to move: all that it expects must hold, and nothing of it may stay behind. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isLinux } from './abilities.ts';

const DEMO = fileURLToPath(new URL('../demo/main.ts', import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-demo-test-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly exit: number | null;
  readonly output: string;
}

function runDemo(onOutput: (output: string, stop: () => void) => void = () => undefined): Promise<Ended> {
  const { NO_COLOR: _plain, ...environment } = process.env;
  const child = spawn(process.execPath, [DEMO, '--small'], {
    env: { ...environment, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      onOutput(output, () => child.kill('SIGINT'));
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit) => resolve({ exit, output }));
  });
}

/** Command lines of processes that still work in the folder of the test. */
function processesLeft(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((id) => {
      try {
        const isOurs = readFileSync(`/proc/${id}/environ`, 'utf8').includes(`TMPDIR=${folder}\0`);
        return isOurs ? [readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' ')] : [];
      } catch {
        return [];
      }
    });
}

test('shows everything it promises', async () => {
  const { exit, output } = await runDemo();
  expect(exit, output).toBe(0);
  expect(output).toContain('kill -9');
  expect(output).toContain('Continues the run that began');
  expect(output).toContain('Everything went as expected.');
  expect(output).not.toContain('✗');
  // Without a terminal there are no colors and no moving lines.
  expect(output).not.toContain('\u001b');
  expect(readdirSync(folder)).toEqual([]);
});

test.runIf(isLinux).each(['1. Two stores', 'copying'])(
  'stopped at "%s", it leaves no processes and no files behind',
  async (moment) => {
    let isStopped = false;
    const { exit, output } = await runDemo((soFar, stop) => {
      if (isStopped || !soFar.includes(moment)) return;
      isStopped = true;
      stop();
    });
    expect(exit, output).toBe(130);
    expect(output).not.toContain('The demo failed');
    expect(processesLeft()).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  },
);
