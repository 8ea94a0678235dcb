/** What the tests of this folder share: state folders, runs, and real child processes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RunRecord } from '../engine/ports.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import { ZERO_COUNTERS, type Counters } from '../model/outcome.ts';
import { DEFAULT_POLICY } from '../model/policy.ts';
import { openStandalone, type Standalone, type StandaloneOptions } from './standalone.ts';

/** A new empty folder; the returned function removes it. */
export function makeFolder(): { folder: string; removeFolder: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'drover-standalone-'));
  return { folder, removeFolder: () => rmSync(folder, { recursive: true, force: true }) };
}

export function openAt(folder: string, more: Partial<StandaloneOptions> = {}): Promise<Standalone> {
  return openStandalone({ folder, clock: systemClock, random: systemRandom, log: () => undefined, ...more });
}

export function runOf(runId: string, change: Partial<RunRecord> = {}): RunRecord {
  const transferId = change.transferId ?? 'transfer-1';
  const pairId = change.pairId ?? 'pair-1';
  const end = { connector: 'a', provider: 'local', fingerprint: 'f', label: 'a:b', only: null };
  return {
    runId,
    transferId,
    pairId,
    definition: {
      transferId,
      pairId,
      command: 'copy',
      source: { ...end, place: { container: 's', prefix: '' } },
      target: { ...end, place: { container: 't', prefix: '' } },
      policy: DEFAULT_POLICY,
      concessions: [],
    },
    state: 'running',
    startedAtMs: 1000,
    updatedAtMs: 1000,
    endedAtMs: null,
    error: null,
    counters: ZERO_COUNTERS,
    requests: { source: {}, target: {} },
    durationMs: 0,
    manifestRoot: null,
    ...change,
  };
}

export function copied(items: number, bytes: number): Counters {
  return {
    ...ZERO_COUNTERS,
    items: { ...ZERO_COUNTERS.items, scanned: items, copied: items },
    bytes: { ...ZERO_COUNTERS.bytes, scanned: bytes, copied: bytes },
    verification: { ...ZERO_COUNTERS.verification, V2: items },
  };
}

/** A process that opens the folder, runs `work` (JavaScript that sees `standalone`), says "ready" and stays. */
export async function startProcess(folder: string, work: string): Promise<ChildProcess> {
  const here = pathToFileURL(import.meta.filename).href;
  const code = `
    import { openAt, runOf, copied } from ${JSON.stringify(here)};
    const standalone = await openAt(${JSON.stringify(folder)});
    void [runOf, copied];
    ${work}
    process.stdout.write('ready');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the process ended with ${code}`)));
  });
  return child;
}

/** Ends it as a power cut would: nothing in it runs any more. */
export async function killProcess(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
