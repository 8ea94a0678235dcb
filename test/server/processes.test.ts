/** Servers and workers as processes: which versions they take beside them, and which settings hold for all. */
import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Database } from '../../src/control/database/connect.ts';
import { migrate } from '../../src/control/database/migrate.ts';
import { runsMaxOf } from '../../src/control/fleet/installation.ts';
import { openTestDatabase, type TestDatabase } from '../postgres.ts';
import { makeQuickFolder } from '../quick-folder.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/drover', import.meta.url));
const folder = makeQuickFolder('drover-versions-');
const KEY = randomBytes(32).toString('base64');
/** Those that have not ended. */
const children = new Set<ChildProcess>();
let made: TestDatabase;
let database: Database;

beforeAll(async () => {
  made = await openTestDatabase();
  database = await openDatabase({ url: made.url, log: () => undefined });
  await migrate(database);
});
afterAll(async () => {
  for (const child of children) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.kill('SIGTERM')) await ended;
  }
  await database.close();
  await made.drop();
  rmSync(folder, { recursive: true, force: true });
});

interface Started {
  readonly said: () => string;
  readonly ended: Promise<number | null>;
  readonly stop: () => void;
  /** As for its children when it dies. */
  readonly closeInput: () => void;
}

function start(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(PROGRAM, words, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: made.url,
      DROVER_DATA_DIR: join(folder, 'data'),
      DROVER_MASTER_KEY: KEY,
      DROVER_ARTIFACTS: join(folder, 'artifacts'),
      DROVER_LISTEN: '127.0.0.1:0',
      DROVER_LOCAL_WORKERS: '0',
      ...environment,
    },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part.toString()));
  // Not before all that it said is here.
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  children.add(child);
  void ended.then(() => children.delete(child));
  return { said: () => text, ended, stop: () => child.kill('SIGTERM'), closeInput: () => child.stdin.end() };
}

async function until(started: Started, words: string): Promise<void> {
  const end = Date.now() + 150_000;
  while (!started.said().includes(words)) {
    if (Date.now() > end) throw new Error(`"${words}" was never said; it was: ${started.said()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('a server waits for one of another version to end, and a worker is refused', async () => {
  await sql`INSERT INTO servers (id, host, pid, program_version, protocol, started_at, seen_at)
    VALUES (gen_random_uuid(), 'elsewhere', 1, '0.0.1', 1, now(), now() + interval '1 hour')`.execute(database.kysely);
  const worker = start(['worker', '--worker-name', 'new']);
  expect(await worker.ended).toBe(2);
  expect(worker.said()).toContain('the server on elsewhere (0.0.1)');
  const server = start(['serve', '--json']);
  await until(server, 'Waiting for them to end.');
  expect(server.said()).toContain('the server on elsewhere (0.0.1)');
  await database.kysely.deleteFrom('servers').execute();
  await until(server, '"ready"');
  const { rows } = await sql<{ program_version: string }>`SELECT program_version FROM servers`.execute(database.kysely);
  expect(rows).toHaveLength(1);
  expect(rows[0]?.program_version).not.toBe('0.0.1');
  server.stop();
  await server.ended;
  expect(await database.kysely.selectFrom('servers').select('id').execute()).toEqual([]);
});

test('what a settings file and flags say to the server holds for its workers and for everybody', async () => {
  const file = join(folder, 'own.yaml');
  writeFileSync(file, 'runsMax: 3\n');
  // A flag comes before the environment, which workers share.
  const environment = { DROVER_RUNS_PER_WORKER_MAX: '9' };
  const server = start(
    ['serve', '--json', '--config', file, '--runs-per-worker-max', '2', '--local-workers', '2'],
    environment,
  );
  await until(server, '"ready"');
  const { rows } = await sql<{ slots: number }>`SELECT slots FROM workers WHERE state = 'active'`.execute(
    database.kysely,
  );
  expect(rows).toEqual([{ slots: 2 }, { slots: 2 }]);
  expect(await runsMaxOf(database.kysely, 10)).toBe(3);
});

test("a server's own worker ends with it, also while it waits for the database that only the server starts", async () => {
  const waits = ['worker', '--with-parent', '--worker-name', 'own'];
  const nowhere = start(waits, { DATABASE_URL: `postgres://drover@/drover?host=${encodeURIComponent(folder)}` });
  await until(nowhere, 'Drover keeps trying');
  nowhere.closeInput();
  expect(await nowhere.ended).not.toBe(2);
  const ready = start(waits);
  await until(ready, '"ready"');
  ready.closeInput();
  expect(await ready.ended).toBe(0);
});
