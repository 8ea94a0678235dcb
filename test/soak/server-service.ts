/** What a service manager does: starts a process, and starts it again whenever it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';

export interface ServiceOptions {
  readonly name: string;
  readonly program: string;
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Before it is started again. */
  readonly delayMs: () => number;
}

/** One end of the process that nobody asked for. */
export interface Ending {
  readonly service: string;
  readonly code: number | null;
  readonly signal: string | null;
  /** The last lines it wrote. */
  readonly said: string;
}

const SAID_CHARACTERS = 600;
const READY_MS_MAX = 120_000;

export class Service {
  /** Ends that were not by our hand. */
  readonly endings: Ending[] = [];
  /** Lines of the log that tell of faults, without their times and numbers, and how often each came. */
  readonly faults = new Map<string, number>();
  starts = 0;
  /** What it said of itself when it was last ready. */
  readyLine: Readonly<Record<string, unknown>> = {};
  readonly #options: ServiceOptions;
  readonly #log: WriteStream;
  #child: ChildProcess | null = null;
  #again: NodeJS.Timeout | null = null;
  #isStopping = false;
  #isKilled = false;
  #isReady = false;
  #waiting: (() => void)[] = [];

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#log = createWriteStream(options.logFile, { flags: 'a' });
  }

  get pid(): number | null {
    const child = this.#child;
    return child === null || child.exitCode !== null || child.signalCode !== null ? null : (child.pid ?? null);
  }

  start(): void {
    const { program, words, environment } = this.#options;
    this.starts += 1;
    this.#isReady = false;
    this.#isKilled = false;
    const child = spawn(program, [...words], {
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    let said = '';
    let begun = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#log.write(text);
      const lines = (begun + text).split('\n');
      begun = lines.pop() ?? '';
      const ready = lines.find((line) => line.includes('"type":"ready"'));
      if (ready !== undefined) this.#becomeReady(ready);
    });
    child.stderr?.on('data', (content: Buffer) => {
      this.#log.write(content);
      said = (said + content.toString('utf8')).slice(-SAID_CHARACTERS);
      this.#noteFaults(content.toString('utf8'));
    });
    child.once('close', (code, signal) => {
      this.#isReady = false;
      if (this.#isStopping) return;
      if (!this.#isKilled) this.endings.push({ service: this.#options.name, code, signal, said });
      this.#again = setTimeout(() => this.start(), this.#options.delayMs());
    });
  }

  /** Resolves when it is up; at once when it is already. */
  async ready(): Promise<void> {
    if (this.#isReady) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      const said = this.endings.map((ending) => ending.said.trim()).at(-1) ?? '';
      reject(new Error(`${this.#options.name} was not ready after ${READY_MS_MAX} ms. ${said}`));
    }, READY_MS_MAX);
    this.#waiting.push(() => (clearTimeout(timer), resolve()));
    await promise;
  }

  /** True where there was something to kill. */
  kill(): boolean {
    if (this.pid === null) return false;
    this.#isKilled = true;
    return this.#child?.kill('SIGKILL') ?? false;
  }

  /** Killed, and not started again. */
  abandon(): void {
    this.#isStopping = true;
    if (this.#again !== null) clearTimeout(this.#again);
    this.kill();
  }

  /** As `systemctl stop` does it; resolves with its exit code when it is gone. */
  async stop(): Promise<number | null> {
    this.#isStopping = true;
    if (this.#again !== null) clearTimeout(this.#again);
    const child = this.#child;
    let code: number | null = null;
    if (child !== null && this.pid !== null) {
      const ended = new Promise<number | null>((resolve) => child.once('close', (exit) => resolve(exit)));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
      code = await ended;
      clearTimeout(timer);
    }
    this.#log.end();
    return code;
  }

  #becomeReady(line: string): void {
    this.#isReady = true;
    this.readyLine = JSON.parse(line) as Readonly<Record<string, unknown>>;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #noteFaults(text: string): void {
    for (const line of text.split('\n')) {
      const fault = /^\S+Z (?:error|(?:warn|info) +(?=.*"INTERNAL")) *(.*)$/.exec(line)?.[1];
      if (fault === undefined) continue;
      const words = fault.replaceAll(/\d+/g, '#').slice(0, 300);
      this.faults.set(words, (this.faults.get(words) ?? 0) + 1);
    }
  }
}
