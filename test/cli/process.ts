/** Runs the real command line as people do, in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AzuriteServer, RgwServer } from '../servers.ts';
import { parseLines, type Summary } from './world.ts';

const DROVER = fileURLToPath(new URL('../../bin/drover', import.meta.url));

export interface Ended {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly lines: readonly Record<string, unknown>[];
  readonly summary: Summary;
}

export interface Shell {
  readonly folder: string;
  /** `drover --json --state … words`. */
  drover(...words: string[]): Promise<Ended>;
  /** Only what was said. */
  plain(...words: string[]): Promise<Ended>;
  /** Hands the process over as soon as this much was written to standard output. */
  start(onLine: (line: string, child: ChildProcess) => void, ...words: string[]): Promise<Ended>;
  remove(): void;
}

/** Connectors `azure` and, where Ceph runs, `ceph`. */
export function openShell(azurite: AzuriteServer, rgw: RgwServer | null): Shell {
  const folder = mkdtempSync(join(tmpdir(), 'drover-process-'));
  const { PATH, HOME, LANG } = process.env;
  const environment = {
    PATH,
    HOME,
    LANG,
    DROVER_CONNECTOR_AZURE_PROVIDER: 'azure-blob',
    DROVER_CONNECTOR_AZURE_ACCOUNT_NAME: azurite.accountName,
    DROVER_CONNECTOR_AZURE_ACCOUNT_KEY: azurite.accountKey,
    DROVER_CONNECTOR_AZURE_ENDPOINT: azurite.endpoint,
    ...(rgw === null
      ? {}
      : {
          DROVER_CONNECTOR_CEPH_PROVIDER: 's3',
          DROVER_CONNECTOR_CEPH_ACCESS_KEY_ID: rgw.accessKeyId,
          DROVER_CONNECTOR_CEPH_SECRET_ACCESS_KEY: rgw.secretAccessKey,
          DROVER_CONNECTOR_CEPH_ENDPOINT: rgw.endpoint,
          DROVER_CONNECTOR_CEPH_REGION: 'us-east-1',
          DROVER_CONNECTOR_CEPH_PATH_STYLE: 'true',
        }),
  };
  const run = (
    words: readonly string[],
    onLine: ((line: string, child: ChildProcess) => void) | null,
  ): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const child = spawn(DROVER, words, { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
      let stdout = '';
      let stderr = '';
      let begun = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
        // A long line may come in pieces.
        const lines = (begun + text).split('\n');
        begun = lines.pop() ?? '';
        for (const line of lines) if (line !== '') onLine?.(line, child);
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.once('error', reject);
      child.once('close', (exit) => {
        const lines = words.includes('--json') && exit !== null ? parseLines(stdout) : [];
        resolve({ exit, stdout, stderr, lines, summary: lines.at(-1) as unknown as Summary });
      });
    });
  const common = ['--state', join(folder, 'state')];
  return {
    folder,
    drover: (...words) => run(['--json', ...common, ...words], null),
    plain: (...words) => run([...common, ...words], null),
    start: (onLine, ...words) => run(['--json', ...common, ...words], onLine),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
