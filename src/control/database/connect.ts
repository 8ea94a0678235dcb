/** The way to the database: a pool, Kysely on it, and every lost connection as DATABASE_UNAVAILABLE. */
import { Kysely, PostgresDialect } from 'kysely';
import type { Transaction } from 'kysely';
import pg from 'pg';
import type { Log } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import type { Schema } from './schema.ts';

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/name`, or with `?host=/folder` for a Unix socket. */
  readonly url: string;
  readonly log: Log;
  readonly poolMax?: number;
  /** What the server's own views show of us. */
  readonly applicationName?: string;
  /** No answer for so long counts as a lost connection. */
  readonly queryMsMax?: number;
  /** Nor one to the wish for a connection. */
  readonly connectMsMax?: number;
}

export interface Database extends AsyncDisposable {
  readonly kysely: Kysely<Schema>;
  readonly pool: pg.Pool;
  /** For connections beside the pool: one that listens, the queue. */
  readonly connection: pg.ClientConfig;
  /** Of the server, such as 15 or 18. */
  readonly majorVersion: number;
  /**
   * All of `work` or nothing. It is done again when another transaction was faster (serialization, deadlock), so it
   * must have no effects outside.
   */
  transaction<T>(work: (tx: Transaction<Schema>) => Promise<T>): Promise<T>;
  /** Waits for what is under way. Idempotent. */
  close(): Promise<void>;
}

const POOL_MAX = 10;
const CONNECT_MS_MAX = 10_000;
const QUERY_MS_MAX = 60_000;
/** An idle connection costs the server some memory. */
const IDLE_MS_MAX = 60_000;
/** A client that vanished without a word must not keep others waiting for its locks. */
const IDLE_IN_TRANSACTION_MS_MAX = 60_000;
const ATTEMPTS_MAX = 6;
export const MAJOR_VERSION_MIN = 15;

/**
 * Connects once, to find out early what is wrong: DATABASE_UNAVAILABLE when nobody answers, DATABASE_UNUSABLE when the
 * server refuses us, is too old, or does not store UTF-8.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const connection = connectionOf(options);
  const pool = new Pool({
    ...connection,
    Client: Client as unknown as typeof pg.Client,
    max: options.poolMax ?? POOL_MAX,
    idleTimeoutMillis: IDLE_MS_MAX,
  });
  // A connection that breaks is replaced at its next use; without a listener the process would end, and the pool
  // listens only to those that are idle.
  const onError = (error: Error): void =>
    options.log('debug', 'a database connection broke', { reason: error.message });
  pool.on('error', onError);
  pool.on('connect', (client) => client.on('error', onError));
  try {
    const majorVersion = await checkServer(pool, options.url);
    return new OpenDatabase(pool, connection, majorVersion);
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/** Where it is, for people: never with the password. */
export function describeDatabase(url: string): string {
  const { host, port, database } = new pg.Client({ connectionString: url });
  const place = host.startsWith('/') ? host : `${host}:${port}`;
  return `${database ?? ''} at ${place}`;
}

class OpenDatabase implements Database {
  readonly kysely: Kysely<Schema>;
  readonly pool: pg.Pool;
  readonly connection: pg.ClientConfig;
  readonly majorVersion: number;
  private closed: Promise<void> | null = null;

  constructor(pool: pg.Pool, connection: pg.ClientConfig, majorVersion: number) {
    this.pool = pool;
    this.connection = connection;
    this.majorVersion = majorVersion;
    this.kysely = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  }

  async transaction<T>(work: (tx: Transaction<Schema>) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.kysely.transaction().execute(work);
      } catch (error) {
        if (!isConflict(error)) throw error;
        if (attempt === ATTEMPTS_MAX) throw databaseError(error, 'Other transactions were faster each time');
      }
    }
  }

  close(): Promise<void> {
    this.closed ??= this.end();
    return this.closed;
  }

  private async end(): Promise<void> {
    await this.kysely.destroy();
    // Kysely leaves a pool alone that it never used.
    if (!this.pool.ended) await this.pool.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * What a statement or a connection failed with: DATABASE_UNAVAILABLE or DISK_FULL where it says so, and unchanged
 * where the statement itself is at fault (a unique key, a deadlock), because only its author can tell what it means.
 */
export function databaseError(thrown: unknown, words?: string): unknown {
  if (thrown instanceof DroverError || !(thrown instanceof Error)) return thrown;
  const code = codeOf(thrown);
  if (code === '53100' || code === 'ENOSPC') {
    return new DroverError('DISK_FULL', `The disk of the database is full: ${thrown.message}`, { cause: thrown });
  }
  if (words === undefined && !isUnavailable(code, thrown.message)) return thrown;
  return new DroverError('DATABASE_UNAVAILABLE', `${words ?? 'The database does not answer'}: ${wordsOf(thrown)}.`, {
    cause: thrown,
  });
}

/** Connection exceptions, a server that starts, stops or is out of connections, and a network that does not carry. */
const UNAVAILABLE_CODES =
  /^(08...|57P0[1-5]|53[0-4]..|25006|ECONN\w+|EPIPE|ETIMEDOUT|ENOENT|EACCES|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH)$/;
/** The driver's own errors carry no code. */
const UNAVAILABLE_WORDS =
  /Connection terminated|timeout exceeded when trying to connect|timeout expired|not queryable|Query read timeout|Client was closed|server does not support SSL/i;

function isUnavailable(code: string, message: string): boolean {
  return code === '' ? UNAVAILABLE_WORDS.test(message) : UNAVAILABLE_CODES.test(code);
}

function isConflict(error: unknown): boolean {
  return ['40001', '40P01'].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** An address with several IPs fails with an empty message and the reasons inside. */
function wordsOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((inner: Error) => inner.message).join('; ');
  return error.message.replace(/\.$/, '');
}

function connectionOf(options: DatabaseOptions): pg.ClientConfig {
  return {
    connectionString: options.url,
    application_name: options.applicationName ?? 'drover',
    connectionTimeoutMillis: options.connectMsMax ?? CONNECT_MS_MAX,
    query_timeout: options.queryMsMax ?? QUERY_MS_MAX,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS_MAX,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser },
  };
}

const BIGINT_TYPE = 20;

/** `bigint` as a number: none of ours passes 2^53. */
function getTypeParser(type: number, format?: 'text' | 'binary'): unknown {
  if (type === BIGINT_TYPE && format !== 'binary') return Number;
  return pg.types.getTypeParser(type, format as 'text');
}

async function checkServer(pool: pg.Pool, url: string): Promise<number> {
  try {
    const { rows } = await pool.query<{ version: number; encoding: string }>(
      `SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding`,
    );
    const { version, encoding } = rows[0] as { version: number; encoding: string };
    const majorVersion = Math.floor(version / 10_000);
    if (majorVersion < MAJOR_VERSION_MIN) {
      throw unusable(url, `it is PostgreSQL ${majorVersion}, and Drover needs ${MAJOR_VERSION_MIN} or newer`, null);
    }
    if (encoding !== 'UTF8') {
      throw unusable(url, `it stores text as ${encoding}; make the database with ENCODING 'UTF8'`, null);
    }
    return majorVersion;
  } catch (error) {
    // Wrong password, no such role, no such database, no right to connect.
    if (/^(28...|3D000|42501)$/.test(codeOf(error))) throw unusable(url, wordsOf(error as Error), error);
    throw error;
  }
}

function unusable(url: string, words: string, cause: unknown): DroverError {
  return new DroverError('DATABASE_UNUSABLE', `The database ${describeDatabase(url)} cannot be used: ${words}.`, {
    cause,
    field: 'DATABASE_URL',
  });
}

/**
 * With promises, the errors of everything that goes through them are ours; with callbacks, nothing is changed. A
 * connection that failed once is ended, so that the pool does not hand it out to the next in line.
 */
class Client extends pg.Client {
  override query(...words: never[]): never {
    const result: unknown = super.query(...(words as unknown as Parameters<pg.Client['query']>));
    return mapped(result, () => void this.end().catch(() => undefined));
  }
}

class Pool extends pg.Pool {
  override connect(...words: never[]): never {
    return mapped(super.connect(...(words as [])));
  }

  override query(...words: never[]): never {
    return mapped(super.query(...(words as unknown as Parameters<pg.Pool['query']>)));
  }
}

function mapped(result: unknown, onLost: () => void = () => undefined): never {
  if (!(result instanceof Promise)) return result as never;
  return result.catch((thrown: unknown) => {
    const error = databaseError(thrown);
    if (error instanceof DroverError && error.code === 'DATABASE_UNAVAILABLE') onLost();
    throw error;
  }) as never;
}
