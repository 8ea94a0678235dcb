/**
 * A fresh database for a test file. Behind it is one embedded PostgreSQL for the whole run, which the first caller
 * starts, or the server at DROVER_TEST_DATABASE_URL (a role that may create databases).
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { findNativeFolder } from '../src/control/database/postgres-binaries.ts';
import { startEmbeddedPostgres } from '../src/control/database/supervisor.ts';
import { systemClock, systemRandom } from '../src/lib/system.ts';
import type { PostgresServer } from './servers.ts';

export interface TestDatabase {
  /** `postgres://…` of an empty database that nobody else uses. */
  readonly url: string;
  /** Removes it, with whoever is connected still. */
  drop(): Promise<void>;
}

export async function openTestDatabase(): Promise<TestDatabase> {
  const adminUrl = await findServer();
  const name = `test_${randomBytes(8).toString('hex')}`;
  await run(adminUrl, `CREATE DATABASE ${name}`);
  return {
    url: adminUrl.replace(/\/[^/?]*(\?|$)/, `/${name}$1`),
    drop: () => run(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
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
  const folder = join(tmpdir(), `drover-test-postgres-${process.pid}`);
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
export async function stopPostgres(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const owner = FOLDER_NAME.exec(name)?.[1];
    if (owner === undefined || (Number(owner) !== process.pid && existsSync(`/proc/${owner}`))) continue;
    const folder = join(tmpdir(), name);
    try {
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
}

/** A folder that is removed with everything else at the end of the run. */
export function makeTestFolder(name: string): string {
  const server = inject('servers').postgres;
  if (server === null) throw new Error('There is no PostgreSQL.');
  const folder = join(server.folder, 'folders', `${name}-${randomBytes(4).toString('hex')}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}
