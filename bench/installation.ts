/** One installation of the server with its embedded database, in a folder of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Api } from '../test/soak/server-api.ts';
import { timed } from './processes.ts';

export const PROGRAM = fileURLToPath(new URL('../bin/drover', import.meta.url));

export class Installation {
  readonly #folder: string;
  #child: ChildProcess | null = null;
  #url = '';

  constructor(folder: string) {
    this.#folder = folder;
  }

  get environment(): Readonly<Record<string, string>> {
    return { DROVER_DATA_DIR: this.#folder, DROVER_LISTEN: '127.0.0.1:0', DROVER_LOG_LEVEL: 'warn' };
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** Seconds until it says that it is ready. */
  async start(): Promise<number> {
    const startedAt = performance.now();
    const child = spawn(PROGRAM, ['serve'], {
      env: { ...process.env, ...this.environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const said = line.startsWith('{') ? (JSON.parse(line) as { type?: string; url?: string }) : {};
      if (said.type !== 'ready') continue;
      this.#url = said.url ?? '';
      child.stdout.resume();
      return (performance.now() - startedAt) / 1000;
    }
    throw new Error('The server ended before it was ready.');
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
    this.#child = null;
  }

  /** Makes the administrator; a token for scripts. */
  async setUp(): Promise<string> {
    const words = [
      'sh',
      '-c',
      `printf 'a long password!' | "$0" setup --email bench@example.com --password-stdin --json`,
    ];
    const { output, code } = await timed([...words, PROGRAM], this.environment);
    const token = /drv_[A-Za-z0-9_-]+/.exec(output)?.[0];
    if (code !== 0 || token === undefined) throw new Error(`The set-up failed: ${output}`);
    return token;
  }

  api(token: string): Api {
    return new Api(this.#url.replace(/\/$/, ''), token);
  }

  get url(): string {
    return this.#url.replace(/\/$/, '');
  }
}
