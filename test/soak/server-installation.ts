/** A server as people run it: embedded database, local worker, further workers, and somebody who starts them again. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { systemClock } from '../../src/lib/system.ts';
import type { Random } from '../../src/lib/world.ts';
import { Api } from './server-api.ts';
import { Service, type Ending } from './server-service.ts';

export type Victim = 'worker' | 'server' | 'database' | 'all';

export interface InstallationOptions {
  /** `bin/drover`. */
  readonly program: string;
  readonly folder: string;
  /** Beside the one that the server starts by itself. */
  readonly workers: number;
  readonly random: Random;
  /** Settings of everybody. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of another installation, which is no more: its backup, artifacts and master key make this one. */
  readonly from?: { readonly backup: string; readonly other: Installation };
  /** A database of somebody else, instead of the embedded one. */
  readonly database?: string;
}

const living = new Set<Installation>();

/** For the end of a process that was told to stop: nothing of what it started outlives it. */
export function killInstallations(): void {
  for (const installation of living) installation.abandon();
}

const EMAIL = 'soak@drover.example';
const PASSWORD = 'a password of no value';
const RESTART_MS_MAX = 1_500;

export class Installation {
  readonly data: string;
  readonly #options: InstallationOptions;
  readonly #port: number;
  readonly #server: Service;
  readonly #workers: Service[] = [];
  #token = '';
  /** Of one that was made from a backup. */
  restoredAt: string | null = null;

  private constructor(options: InstallationOptions, port: number) {
    this.#options = options;
    this.#port = port;
    this.data = join(options.folder, 'data');
    this.#server = this.#service('server', ['serve', '--listen', `127.0.0.1:${port}`], {});
  }

  static async start(options: InstallationOptions): Promise<Installation> {
    mkdirSync(options.folder, { recursive: true });
    const made = new Installation(options, await freePort());
    living.add(made);
    const { from } = options;
    if (from !== undefined) {
      await made.command(['db', 'restore', from.backup]);
      made.#token = from.other.#token;
      made.restoredAt = new Date(systemClock.now()).toISOString();
    }
    made.#server.start();
    await made.#server.ready();
    if (from === undefined) {
      made.#token = await made.command(['setup', '--email', EMAIL, '--password-stdin'], PASSWORD);
    }
    for (let i = 0; i < options.workers; i++) {
      const worker = made.#service(`worker-${i}`, ['worker', '--worker-name', `extra-${i}`], {
        DATABASE_URL: made.databaseUrl,
      });
      made.#workers.push(worker);
      worker.start();
    }
    await Promise.all(made.#workers.map((worker) => worker.ready()));
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get api(): Api {
    return new Api(this.url, this.#token);
  }

  get token(): string {
    return this.#token;
  }

  get artifacts(): string {
    const { settings, from } = this.#options;
    return from?.other.artifacts ?? settings?.['DROVER_ARTIFACTS'] ?? join(this.data, 'artifacts');
  }

  get masterKeyFile(): string {
    return this.#options.from?.other.masterKeyFile ?? join(this.data, 'master.key');
  }

  get databaseUrl(): string {
    if (this.#options.database !== undefined) return this.#options.database;
    const postgres = realpathSync(join(this.data, 'postgres'));
    const password = readFileSync(join(postgres, 'password'), 'utf8').trim();
    return `postgres://drover:${password}@/drover?host=${encodeURIComponent(join(postgres, 'socket'))}`;
  }

  /** Everybody's ends that nobody asked for. */
  get endings(): readonly Ending[] {
    return [this.#server, ...this.#workers].flatMap(({ endings }) => endings);
  }

  get faults(): ReadonlyMap<string, number> {
    const all = new Map<string, number>();
    for (const { faults } of [this.#server, ...this.#workers]) {
      for (const [words, count] of faults) all.set(words, (all.get(words) ?? 0) + count);
    }
    return all;
  }

  async ready(): Promise<void> {
    await Promise.all([this.#server, ...this.#workers].map((service) => service.ready()));
  }

  /** SIGKILL, and nobody says goodbye. False where there was nothing to kill at that moment. */
  kill(victim: Victim): boolean {
    switch (victim) {
      case 'server':
        return this.#server.kill();
      case 'database':
        return killAll([this.#postmaster()]);
      case 'worker': {
        const kills = [...this.#workers.map((worker) => () => worker.kill()), () => killAll(this.#localWorkers())];
        const at = Math.floor(this.#options.random.fraction() * kills.length);
        return (kills[at] as () => boolean)();
      }
      case 'all': {
        const postmaster = this.#postmaster();
        // Read before anybody dies: afterwards they are nobody's children.
        const others = [...this.#localWorkers(), postmaster, ...childrenOf(postmaster)];
        const killed = [this.#server, ...this.#workers].map((service) => service.kill());
        return killAll(others) || killed.includes(true);
      }
      default:
        return victim satisfies never;
    }
  }

  /** Stops PostgreSQL in the middle of everything it does, or lets it go on as if nothing had been. */
  signalDatabase(signal: 'SIGSTOP' | 'SIGCONT'): void {
    const postmaster = this.#postmaster();
    if (postmaster === null) throw new Error('There is no PostgreSQL in this folder.');
    for (const id of [postmaster, ...childrenOf(postmaster)]) process.kill(id, signal);
  }

  /** Everybody at once, and nobody is started again. */
  abandon(): void {
    const postmaster = this.#postmaster();
    const others = [...this.#localWorkers(), postmaster, ...childrenOf(postmaster)];
    for (const service of [this.#server, ...this.#workers]) service.abandon();
    killAll(others);
  }

  /** Questions to the tables themselves, once the database answers. */
  async query<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<readonly T[]> {
    const client = new pg.Client({ connectionString: this.databaseUrl });
    // The question fails with it; nobody else is to be told.
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<T>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** `drover …` on this data folder; what it printed. */
  command(words: readonly string[], input = '', settings: Readonly<Record<string, string>> = {}): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const env = { ...this.#environment(), ...settings };
    const child = execFile(this.#options.program, [...words], { env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim());
      else reject(new Error(`drover ${words.join(' ')} ended with ${String(error.code)}: ${stderr.slice(-600)}`));
    });
    child.stdin?.end(input);
    return promise;
  }

  /** As an administrator does it; sentences about what did not end well. */
  async stop(): Promise<readonly string[]> {
    const codes = [...(await Promise.all(this.#workers.map((worker) => worker.stop()))), await this.#server.stop()];
    return codes.filter((code) => code !== 0).map((code) => `stopped in peace, a process ended with ${String(code)}`);
  }

  /** Whatever is left is taken away, for the end of a soak that went wrong. */
  async remove(): Promise<void> {
    const postmaster = this.#postmaster();
    await this.stop();
    killAll([postmaster, ...childrenOf(postmaster)]);
    living.delete(this);
  }

  #service(name: string, words: readonly string[], more: Readonly<Record<string, string>>): Service {
    return new Service({
      name,
      program: this.#options.program,
      words,
      environment: { ...this.#environment(), ...more },
      logFile: join(this.#options.folder, `${name}.log`),
      delayMs: () => this.#options.random.fraction() * RESTART_MS_MAX,
    });
  }

  #environment(): Record<string, string> {
    const { from, database } = this.#options;
    const shared: Record<string, string> = {
      ...(from === undefined
        ? {}
        : { DROVER_ARTIFACTS: from.other.artifacts, DROVER_MASTER_KEY_FILE: from.other.masterKeyFile }),
      ...(database === undefined ? {} : { DATABASE_URL: database }),
    };
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      DROVER_DATA_DIR: this.data,
      ...this.#options.settings,
      ...shared,
    };
  }

  #localWorkers(): readonly number[] {
    const isWorker = (id: number): boolean => read(id, 'cmdline').includes('--with-parent');
    return childrenOf(this.#server.pid).filter(isWorker);
  }

  /** Only one that really works in this folder. */
  #postmaster(): number | null {
    try {
      const cluster = realpathSync(join(this.data, 'postgres', 'cluster'));
      const id = Number.parseInt(readFileSync(join(cluster, 'postmaster.pid'), 'utf8'), 10);
      return readlinkSync(`/proc/${id}/cwd`) === cluster ? id : null;
    } catch {
      return null;
    }
  }
}

function killAll(ids: readonly (number | null)[]): boolean {
  let hasKilled = false;
  for (const id of ids) {
    if (id === null) continue;
    try {
      process.kill(id, 'SIGKILL');
      hasKilled = true;
    } catch {
      // It went by itself.
    }
  }
  return hasKilled;
}

function childrenOf(parent: number | null): readonly number[] {
  if (parent === null) return [];
  const ids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return ids.filter((id) => Number(/\) \S (\d+) /.exec(read(id, 'stat'))?.[1]) === parent);
}

function read(id: number, name: string): string {
  try {
    return readFileSync(`/proc/${id}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Below those that the system gives to whoever asks for any: nobody gets it while the server is dead. Tests that run
 * beside each other choose from ports of their own, since a server takes its one only when its database is up.
 */
const PORTS = { least: 15_000, count: 3_000, pools: 5 };

async function freePort(): Promise<number> {
  const pool = Number(process.env['VITEST_POOL_ID'] ?? 0) % PORTS.pools;
  for (let tries = 0; tries < 100; tries++) {
    const port =
      PORTS.least + pool * PORTS.count + ((process.pid * 7 + tries * 131 + (systemClock.now() % 997)) % PORTS.count);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
  throw new Error('There is no free port.');
}
