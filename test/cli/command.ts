/** Runs the command line as people do: another process, its output and its exit code. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Servers } from '../servers.ts';

const drover = fileURLToPath(new URL('../../bin/drover', import.meta.url));

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of standard output, when `--json` was given. */
  readonly summary: Summary;
}

export interface Summary {
  readonly runId: string | null;
  readonly state: string;
  readonly items: Readonly<Record<string, number>>;
  readonly bytes: Readonly<Record<string, number>>;
  readonly verification: Readonly<Record<string, number>>;
  readonly requests: {
    readonly source: Readonly<Record<string, number>>;
    readonly target: Readonly<Record<string, number>>;
  };
  readonly differences: { readonly missing: number; readonly extra: number; readonly different: number };
  readonly error: { readonly code: string; readonly message: string; readonly field: string | null } | null;
}

export interface CommandOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** Kills the process with SIGKILL when this resolves. */
  readonly killWhen?: Promise<void>;
}

export async function runDrover(args: readonly string[], options: CommandOptions): Promise<Outcome> {
  const child = spawn(drover, [...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  void options.killWhen?.then(() => child.kill('SIGKILL'));
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve(exitCode ?? -1));
  });
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  const summary = last.startsWith('{') ? (JSON.parse(last) as Summary) : ({} as Summary);
  return { code, stdout, stderr, summary };
}

/** Connectors `rgw:` and `az:` for the servers that are there. */
export function connectorsOf(servers: Servers, state: string): Record<string, string> {
  const { rgw, azurite } = servers;
  return {
    XDG_STATE_HOME: state,
    DROVER_CONNECTOR_AZ_PROVIDER: 'azure-blob',
    DROVER_CONNECTOR_AZ_ACCOUNT_NAME: azurite.accountName,
    DROVER_CONNECTOR_AZ_ACCOUNT_KEY: azurite.accountKey,
    DROVER_CONNECTOR_AZ_ENDPOINT: azurite.endpoint,
    ...(rgw === null
      ? {}
      : {
          DROVER_CONNECTOR_RGW_PROVIDER: 's3',
          DROVER_CONNECTOR_RGW_ENDPOINT: rgw.endpoint,
          DROVER_CONNECTOR_RGW_ACCESS_KEY_ID: rgw.accessKeyId,
          DROVER_CONNECTOR_RGW_SECRET_ACCESS_KEY: rgw.secretAccessKey,
          DROVER_CONNECTOR_RGW_REGION: 'us-east-1',
          DROVER_CONNECTOR_RGW_PATH_STYLE: 'true',
        }),
  };
}
