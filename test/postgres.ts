/**
 * A fresh database for a test file. Behind it is one embedded PostgreSQL for the whole run, which the first caller
 * starts, or the server at DROVER_TEST_DATABASE_URL (a role that may create databases).
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { openDatabase } from '../src/control/database/connect.ts';
import { migrate } from '../src/control/database/migrate.ts';
import { findNativeFolder } from '../src/control/database/postgres-binaries.ts';
import { startEmbeddedPostgres } from '../src/control/database/supervisor.ts';
import { systemClock, systemRandom } from '../src/lib/system.ts';
import { quickRoot } from './quick-folder.ts';
import type { PostgresServer } from './servers.ts';

export interface TestDatabase {
  /** `postgres://…` of an empty database that nobody else uses. */
  readonly url: string;
  /** Removes it, with whoever is connected still. */
  drop(): Promise<void>;
}

export async function openTestDatabase(): Promise<TestDatabase> {
  return makeDatabase(await findServer(), '');
}

/** The same with the tables of this program: a copy of a database that the first caller of the run brings up to date. */
export async function openMigratedDatabase(): Promise<TestDatabase> {
  const adminUrl = await findServer();
  const template = await (templateName ??= ensureTemplate(adminUrl, templateOf(folderOfRun())));
  // Unlike a copy through the log this costs the server next to nothing.
  return makeDatabase(adminUrl, `TEMPLATE ${template} STRATEGY FILE_COPY`);
}

async function makeDatabase(adminUrl: string, options: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await whenFree(() => run(adminUrl, `CREATE DATABASE ${name} ${options}`));
  return {
    url: urlFor(adminUrl, name),
    // Those who are connected are sent away, and waited for no longer than elsewhere.
    drop: () => whenFree(() => run(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

const FREE_TRIES_MAX = 12;

/** The server waits five seconds for those who are leaving; on a busy machine they take longer. */
async function whenFree(statement: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return void (await statement());
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== '55006' || tries === FREE_TRIES_MAX) throw error;
    }
  }
}

let templateName: Promise<string> | null = null;

/** It gets its name when it is complete, and nobody connects to it then: a database in use cannot be copied. */
async function ensureTemplate(adminUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock(hashtext($1))', [name]);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount !== 0) return name;
    const unready = `${name}_unready`;
    await client.query(`DROP DATABASE IF EXISTS ${unready} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${unready}`);
    const database = await openDatabase({ url: urlFor(adminUrl, unready), log: () => undefined });
    await migrate(database).finally(() => database.close());
    await whenFree(() => client.query(`ALTER DATABASE ${unready} RENAME TO ${name}`));
    return name;
  } finally {
    await client.end();
  }
}

function templateOf(folder: string): string {
  return basename(folder).replaceAll('-', '_');
}

function folderOfRun(): string {
  return (inject('servers').postgres as PostgresServer).folder;
}

function urlFor(adminUrl: string, name: string): string {
  return adminUrl.replace(/\/[^/?]*(\?|$)/, `/${name}$1`);
}

let embeddedUrl: Promise<string> | null = null;

function findServer(): Promise<string> {
  const server = inject('servers').postgres;
  if (server === null) throw new Error('There is no PostgreSQL: see what the run names as NOT RUN.');
  if (server.url !== null) return Promise.resolve(server.url);
  // As a guest: whoever comes later, in whatever process, meets the same server. The run's end stops it.
  embeddedUrl ??= startEmbeddedPostgres({
    folder: server.folder,
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    isGuest: true,
  }).then(({ url }) => url);
  return embeddedUrl;
}

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

const FOLDER_NAME = /^drover-test-postgres-(\d+)$/;

/** For the setup of the run. `null` when there is no server to be had. */
export function findPostgres(environment: Readonly<Record<string, string | undefined>>): PostgresServer | null {
  const folder = join(quickRoot, `drover-test-postgres-${process.pid}`);
  const url = environment['DROVER_TEST_DATABASE_URL'] ?? null;
  const hasEmbedded = isInstalled();
  if (url === null && !hasEmbedded) return null;
  // Open to other accounts, which tests play; what is secret in it is closed by itself.
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  return { url, hasEmbedded, folder };
}

function isInstalled(): boolean {
  try {
    findNativeFolder();
    return true;
  } catch {
    return false;
  }
}

/** Ends the server of this run if one was started, and those of runs that were killed. */
export async function stopPostgres(environment: Readonly<Record<string, string | undefined>>): Promise<void> {
  for (const root of new Set([quickRoot, tmpdir()])) {
    for (const name of readdirSync(root)) {
      const owner = FOLDER_NAME.exec(name)?.[1];
      if (owner === undefined || (Number(owner) !== process.pid && existsSync(`/proc/${owner}`))) continue;
      await removeServer(join(root, name), environment['DROVER_TEST_DATABASE_URL'] ?? null);
    }
  }
}

async function removeServer(folder: string, url: string | null): Promise<void> {
  try {
    if (url !== null) await run(url, `DROP DATABASE IF EXISTS ${templateOf(folder)}`);
    // Whoever starts next finds what runs there; so it can also be ended that way.
    if (existsSync(join(folder, 'postgres', 'cluster', 'postmaster.pid'))) {
      const log = (): void => undefined;
      const server = await startEmbeddedPostgres({ folder, clock: systemClock, random: systemRandom, log });
      await server.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A folder that is removed with everything else at the end of the run. */
export function makeTestFolder(name: string): string {
  const server = inject('servers').postgres;
  if (server === null) throw new Error('There is no PostgreSQL.');
  const folder = join(server.folder, 'folders', `${name}-${randomBytes(4).toString('hex')}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}
