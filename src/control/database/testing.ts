/** What the tests of the embedded PostgreSQL share: started servers, processes that hold one, and looking at both. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { startEmbeddedPostgres } from './supervisor.ts';
import type { EmbeddedPostgres, EmbeddedPostgresOptions } from './supervisor.ts';

export interface Started extends EmbeddedPostgres {
  readonly logged: readonly string[];
}

/** Stopped at the end of the test. */
export async function start(folder: string, options: Partial<EmbeddedPostgresOptions> = {}): Promise<Started> {
  const logged: string[] = [];
  const postgres = await startEmbeddedPostgres({
    folder,
    clock: systemClock,
    random: systemRandom,
    log: (level, message) => void logged.push(`${level} ${message}`),
    ...options,
  });
  onTestFinished(() => postgres.stop());
  return Object.assign(postgres, { logged });
}

export async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

export interface Holder {
  readonly child: ChildProcess;
  /** The next line that it prints. */
  next(): Promise<Record<string, unknown>>;
  /** As the machine would: it has no chance to say or do anything. */
  kill(): Promise<void>;
  /** Lets it end by itself. */
  end(): Promise<void>;
}

/** A process of its own that starts the database of a folder. */
export function hold(folder: string, account: { readonly uid: number; readonly gid: number } | null = null): Holder {
  const script = fileURLToPath(new URL('../../../test/postgres-holder.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder], { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/', ...account });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const over = new Promise<void>((resolve) => child.once('close', () => resolve()));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await over;
  });
  return {
    child,
    next: async () => {
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the holder ended');
      return JSON.parse(value as string) as Record<string, unknown>;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await over;
    },
    end: async () => {
      child.stdin.end();
      await over;
    },
  };
}

export function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${id}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Until something is so; a test that waits in vain fails by its own time. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await systemClock.sleep(5);
}
