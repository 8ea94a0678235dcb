/**
 * Workers of this machine, as processes of their own: a busy or dying one never takes the server along. One that ends
 * is started again; all of them end with the server, also when it is killed, because their standard input does.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { listWords } from '../control/settings/kinds.ts';
import { SETTING_NAMES, variableOf, type SettingName, type Settings } from '../control/settings/settings.ts';
import type { Log } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import type { Environment } from './server-world.ts';

/** A worker that lived shorter was not really started; then the next try waits, longer each time. */
const LIVED_MS_MIN = 10_000;
const AGAIN_FIRST_MS = 500;
const AGAIN_MS_MAX = 30_000;
/** What it holds is checkpointed and given back within this time, or others take it over after the leases end. */
const STOP_MS_MAX = 15_000;
/** Exit codes that no restart mends: wrong settings, wrong version, wrong key. */
const FINAL_CODES = new Set([2]);

export interface LocalWorkers extends AsyncDisposable {
  /** All of them have signed on once. */
  readonly ready: Promise<void>;
  /** Rejects when one cannot be started at all. */
  readonly failed: Promise<never>;
  /** Throws when one is not up. */
  describe(): string;
}

export interface LocalWorkersOptions {
  readonly settings: Settings;
  /** Of `--config`. */
  readonly configPath: string | null;
  readonly databaseUrl: string;
  readonly log: Log;
  readonly environment: Environment;
}

export function startLocalWorkers(options: LocalWorkersOptions): LocalWorkers {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  const count = options.settings.localWorkers;
  const workers = Array.from({ length: count }, (_, at) => new LocalWorker(options, at + 1, reject));
  const ready = Promise.race([Promise.all(workers.map((one) => one.ready)).then(() => undefined), failed]);
  // It may fail before anybody waits for it: while the server still opens what comes before.
  ready.catch(() => undefined);
  return {
    ready,
    failed,
    describe() {
      const up = workers.filter(({ isUp }) => isUp).length;
      if (up < count) throw new DroverError('UNAVAILABLE', `${up} of ${count} local workers are up.`);
      return `${up} local`;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.stop()));
    },
  };
}

class LocalWorker {
  readonly ready: Promise<void>;
  isUp = false;
  readonly #options: LocalWorkersOptions;
  readonly #number: number;
  readonly #onFinal: (error: DroverError) => void;
  readonly #onReady: () => void;
  #child: ChildProcess | null = null;
  #again: NodeJS.Timeout | null = null;
  #delayMs = AGAIN_FIRST_MS;
  #isStopping = false;

  constructor(options: LocalWorkersOptions, number: number, onFinal: (error: DroverError) => void) {
    this.#options = options;
    this.#number = number;
    this.#onFinal = onFinal;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#onReady = resolve;
    this.#start();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#again !== null) clearTimeout(this.#again);
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
  }

  #start(): void {
    const { settings, configPath, environment } = this.#options;
    const startedAtMs = performance.now();
    const name = settings.workerName ?? 'local';
    const config = configPath === null ? [] : ['--config', configPath];
    const flags = ['worker', '--with-parent', '--worker-name', `${name}-${this.#number}`, ...config];
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] as string, ...flags], {
      env: { ...environment.variables, ...variablesFor(this.#options) },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    // Its input says only that we live; a broken pipe is the worker's end, which `exit` tells of.
    child.stdin?.on('error', () => undefined);
    child.stdout?.on('data', (content: Buffer) => {
      if (!content.toString().includes('"ready"')) return;
      this.isUp = true;
      this.#onReady();
    });
    child.once('error', (error) =>
      this.#onFinal(new DroverError('INTERNAL', `A worker cannot be started: ${error.message}`)),
    );
    child.once('exit', (code, signal) => this.#ended(code, signal, performance.now() - startedAtMs));
  }

  #ended(code: number | null, signal: string | null, livedMs: number): void {
    this.isUp = false;
    if (this.#isStopping) return;
    if (code !== null && FINAL_CODES.has(code)) {
      this.#onFinal(new DroverError('INTERNAL', 'A worker of this server refuses to start; the lines above say why.'));
      return;
    }
    this.#options.log('warn', 'A local worker ended and is started again.', { code, signal, worker: this.#number });
    this.#delayMs = livedMs >= LIVED_MS_MIN ? AGAIN_FIRST_MS : Math.min(AGAIN_MS_MAX, this.#delayMs * 2);
    this.#again = setTimeout(() => this.#start(), this.#delayMs);
  }
}

/** What a worker does depends on it, so it is handed on. Complete by its type: whoever adds a setting decides here. */
const FOR_WORKERS: Readonly<Record<SettingName, boolean>> = {
  dataDir: true,
  databaseUrl: true,
  databasePoolMax: true,
  artifacts: true,
  artifactRetentionDays: true,
  masterKey: true,
  masterKeyFile: true,
  masterKeyKms: true,
  masterKeyKmsEndpoint: true,
  runsMax: true,
  runsPerWorkerMax: true,
  // What connectors must not reach they must not reach from workers either.
  allowLinkLocalEndpoints: true,
  trustedEndpoints: true,
  localFolders: true,
  logLevel: true,
  logFormat: true,
  otlpEndpoint: true,
  otlpTracesEndpoint: true,
  otlpHeaders: true,
  // Each has its own, by a flag.
  workerName: false,
  localWorkers: false,
  listen: false,
  allowedHosts: false,
  publicUrl: false,
  trustedProxies: false,
  insecureCookies: false,
  bodyBytesMax: false,
  sessionLifetimeHours: false,
  signInAttemptsMax: false,
  signInWindowMinutes: false,
  oidcIssuer: false,
  oidcClientId: false,
  oidcClientSecret: false,
  oidcAllowedDomains: false,
  oidcDefaultRole: false,
  smtpUrl: false,
  mailFrom: false,
};

/** Every setting that workers use, as it holds here, wherever it came from. */
export function variablesFor({
  settings,
  databaseUrl,
}: Pick<LocalWorkersOptions, 'settings' | 'databaseUrl'>): Record<string, string> {
  const given: Settings = { ...settings, databaseUrl };
  const entries = SETTING_NAMES.filter((name) => FOR_WORKERS[name]).flatMap((name) => {
    const value = given[name];
    if (value === null || (Array.isArray(value) && value.length === 0)) return [];
    return [[variableOf(name), Array.isArray(value) ? listWords(value as string[]) : String(value)]];
  });
  return Object.fromEntries(entries) as Record<string, string>;
}
