/** One call of the command line: its options, its streams, its state while it is open, and how it is stopped. */
import type { Log } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import type { Standalone } from '../standalone/standalone.ts';
import type { ExitCode } from './exit.ts';
import { createFormat, type Format } from './format.ts';
import { EMPTY_SUMMARY, type Summary } from './summary.ts';
import { Terminal, visible, type TerminalOptions } from './terminal.ts';
import type { CliWorld } from './world.ts';

/** How a command ended. */
export interface CommandEnd {
  readonly exit: ExitCode;
  readonly summary: Summary;
}

export interface SessionOptions extends TerminalOptions {
  /** `null`: the default of the platform. */
  readonly stateFolder: string | null;
  /** `--server`; left out, DROVER_SERVER counts. */
  readonly server?: string | null;
  /** `--token-file`. */
  readonly tokenFile?: string | null;
  /** `--insecure-http`; left out, DROVER_INSECURE_HTTP counts. */
  readonly insecureHttp?: boolean;
}

export class Session {
  readonly world: CliWorld;
  readonly terminal: Terminal;
  readonly format: Format;
  readonly startedAtMs: number;
  /** Before anything was moved, wrong input is at fault; afterwards the run is. */
  phase: 'before' | 'during' = 'before';
  /** What would have to be said if the process ended now. */
  interim: Summary = EMPTY_SUMMARY;
  /** Address of the server that commands go to; `null`: work is done here. */
  readonly server: string | null;
  readonly tokenFile: string | null;
  /** The token may travel in the open. */
  readonly insecureHttp: boolean;
  readonly #stateFolder: string;
  readonly #stopping = new AbortController();
  #state: Promise<Standalone> | null = null;
  #whenStopped: (() => void) | null = null;

  constructor(world: CliWorld, options: SessionOptions) {
    this.world = world;
    this.terminal = new Terminal(world, options);
    this.format = createFormat(world.locale, world.timeZone);
    this.startedAtMs = world.clock.monotonic();
    this.server = options.server || world.environment['DROVER_SERVER'] || null;
    this.tokenFile = options.tokenFile ?? null;
    this.insecureHttp = options.insecureHttp === true || isOn(world.environment['DROVER_INSECURE_HTTP']);
    this.#stateFolder = options.stateFolder ?? world.stateFolder;
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  get elapsedMs(): number {
    return this.world.clock.monotonic() - this.startedAtMs;
  }

  /** Internal messages, for those who asked for them. */
  get log(): Log {
    return (level, message, details) => {
      const wanted = this.terminal.options.verbose ? level !== 'debug' : level === 'error';
      if (!wanted) return;
      const rest = details === undefined ? '' : ` ${JSON.stringify(details)}`;
      void this.terminal.say(visible(`${level}: ${message}${rest}`));
    };
  }

  /** Opened at first use: a command that keeps no state leaves none behind. */
  state(): Promise<Standalone> {
    this.#state ??= this.world.openState(this.#stateFolder, this.log);
    return this.#state;
  }

  /** What to say at the first request to stop. */
  onStopped(handler: () => void): void {
    this.#whenStopped = handler;
  }

  stop(): void {
    if (this.#stopping.signal.aborted) return;
    this.#whenStopped?.();
    this.#stopping.abort(new DroverError('CANCELLED', 'The work was stopped.', { remedy: 'Run the command again.' }));
  }

  /** The summary of a command that was stopped at once. */
  interrupted(): Summary {
    const error = {
      code: 'CANCELLED',
      message: 'The work was stopped.',
      field: null,
      remedy: 'The same command continues.',
    } as const;
    return { ...this.interim, state: 'paused', durationMs: this.elapsedMs, error };
  }

  async close(): Promise<void> {
    const state = await this.#state?.catch(() => null);
    this.#state = null;
    await state?.close();
  }
}

function isOn(value: string | undefined): boolean {
  return ['1', 'true', 'yes', 'on'].includes((value ?? '').trim().toLowerCase());
}
