/** A whole server in this process for command tests: database, API, due work and, when asked for, a worker. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerCall } from '../../../src/cli/server-commands.ts';
import { serve } from '../../../src/main/serve.ts';
import { serverCommands } from '../../../src/main/server-commands.ts';
import type { Environment } from '../../../src/main/server-world.ts';
import { work } from '../../../src/main/worker.ts';
import { makeTestFolder, openTestDatabase } from '../../postgres.ts';
import { ENTITY_LINES, OTHER_LINES } from '../../../scripts/docs/server-lines.ts';
import { openTestWorld, type Called, type TestWorld } from '../world.ts';

/** Types of lines that no page describes. */
export function undescribed(lines: Called['lines']): string[] {
  const types = lines.map(({ type }) => String(type));
  return types.filter((type) => ENTITY_LINES[type] === undefined && OTHER_LINES[type] === undefined);
}

export interface TestServer {
  readonly url: string;
  /** Of an admin. */
  readonly token: string;
  readonly databaseUrl: string;
  /** In which connectors to folders must lie. */
  readonly folder: string;
  /** A command line that goes to this server, and has no providers of its own but those of the server. */
  readonly cli: TestWorld;
  startWorker(): Promise<void>;
  stop(): Promise<void>;
}

export async function startServer(): Promise<TestServer> {
  const database = await openTestDatabase();
  const home = makeTestFolder('cli-server');
  const folder = join(home, 'files');
  mkdirSync(folder);
  const environment: Environment = {
    variables: {
      DATABASE_URL: database.url,
      DROVER_DATA_DIR: join(home, 'data'),
      DROVER_LISTEN: '127.0.0.1:0',
      DROVER_LOCAL_FOLDERS: folder,
      DROVER_LOCAL_WORKERS: '0',
      DROVER_LOG_LEVEL: 'error',
    },
    programVersion: '1.2.3',
  };
  const stopper = new AbortController();
  const parts: Promise<void>[] = [];
  const start = (part: (call: ServerCall) => Promise<void>): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const line = async (value: Readonly<Record<string, unknown>>): Promise<void> => resolve(value);
      const running = part(callWith(stopper.signal, line));
      running.catch(reject);
      parts.push(running);
    });
  const { url } = (await start((call) => serve(call, { newArtifacts: false }, environment))) as { url: string };
  const person = { email: 'ana@acme.example', name: 'Ana', password: 'correct horse battery', replace: false };
  const { token } = await serverCommands(environment).setUp(
    callWith(stopper.signal, async () => undefined),
    person,
  );
  const cli = openTestWorld();
  cli.environment = { DROVER_SERVER: url, DROVER_TOKEN: token };
  return {
    url,
    token,
    databaseUrl: database.url,
    folder,
    cli,
    startWorker: async () => void (await start((call) => work(call, { endsWithParent: false }, environment))),
    async stop() {
      stopper.abort();
      await Promise.all(parts);
      cli.remove();
      await database.drop();
    },
  };
}

function callWith(signal: AbortSignal, line: ServerCall['line']): ServerCall {
  return { flags: {}, configPath: null, say: async () => undefined, line, signal };
}
