/** One start of `bin/drover`, left alone or killed at an instant. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const DROVER = fileURLToPath(new URL('../../bin/drover', import.meta.url));

export interface Line {
  readonly type: string;
  readonly [member: string]: unknown;
}

export interface Attempt {
  /** False where it ended by itself before the instant came. */
  readonly killed: boolean;
  readonly exit: number | null;
  readonly lines: readonly Line[];
  readonly stderr: string;
  readonly tookMs: number;
  /** `null` where it was killed before it could say. */
  readonly runId: string | null;
}

export function attempt(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  killAfterMs: number | null,
): Promise<Attempt> {
  const beganAtMs = performance.now();
  const child = spawn(DROVER, ['--json', ...words], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  const timer = killAfterMs === null ? null : setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, signal) => {
      if (timer !== null) clearTimeout(timer);
      const lines = readLines(stdout);
      const run = lines.find(({ type }) => type === 'run');
      resolve({
        killed: signal === 'SIGKILL',
        exit,
        lines,
        stderr,
        tookMs: performance.now() - beganAtMs,
        runId: (run?.['runId'] as string | undefined) ?? null,
      });
    });
  });
}

/** The last line of a killed process may be cut. */
function readLines(text: string): Line[] {
  const end = text.lastIndexOf('\n');
  return end === -1
    ? []
    : text
        .slice(0, end)
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
}
