/** What processes cost, as Linux counts it: a program with everything it started. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** Own, and of children that ended and were waited for. */
  readonly cpuSeconds: number;
}

function stats(): readonly Stat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
        // The name may hold spaces and brackets; what follows the last one is numbers.
        const words = text.slice(text.lastIndexOf(')') + 2).split(' ');
        const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(words[at]), 0);
        return [{ pid: Number(pid), parent: Number(words[1]), cpuSeconds: ticks / TICKS_PER_SECOND }];
      } catch {
        return [];
      }
    });
}

function familyOf(pid: number): readonly Stat[] {
  const all = stats();
  const family = all.filter((one) => one.pid === pid);
  for (const member of family) family.push(...all.filter((one) => one.parent === member.pid));
  return family;
}

export function cpuSecondsOf(pid: number): number {
  return familyOf(pid).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

/** Proportional set size: what is shared is divided among those that share it. */
export function pssMibOf(pid: number): number {
  const kib = familyOf(pid).map((member) => {
    try {
      return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${member.pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      return 0;
    }
  });
  return kib.reduce((sum, one) => sum + one, 0) / 1024;
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly cpuSeconds: number;
  readonly seconds: number;
}

/** Runs a program to its end; its processor time is that of the shell which waited for it. */
export async function timed(words: readonly string[], environment: Readonly<Record<string, string>>): Promise<Ended> {
  const startedAt = performance.now();
  const child = spawn('bash', ['-c', '"$@"; code=$?; times >&2; exit $code', 'bash', ...words], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const used = [...(errors.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  const cpuSeconds = used.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
  return { code, output: `${output}\n${errors}`, cpuSeconds, seconds: (performance.now() - startedAt) / 1000 };
}
